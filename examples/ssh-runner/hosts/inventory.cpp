#include "hosts/inventory.hpp"

#include <yaml-cpp/yaml.h>

#include <fstream>
#include <iterator>

#include "hosts/host_pattern.hpp"

namespace ssh_runner {
namespace {

class reader {
 public:
  explicit reader(std::string name) : name_(std::move(name)) {}

  inventory read(const YAML::Node& top) const {
    inventory result;
    if (!top || top.IsNull()) return result;
    if (!top.IsMap()) refuse(top, "'groups:' and 'hosts:' are expected");
    for (const auto& entry : top) {
      const auto section = entry.first.as<std::string>();
      if (section == "groups") {
        for (const auto& group : map(entry.second))
          result.groups[group.first.as<std::string>()] = read_group(group.second);
      } else if (section == "hosts") {
        for (const auto& host : map(entry.second)) {
          const host_attributes attributes = read_attributes(host.second);
          for (const std::string& name : expand(host.first)) result.hosts[name] = attributes;
        }
      } else {
        refuse(entry.first, "'" + section + "' is neither 'groups' nor 'hosts'");
      }
    }
    return result;
  }

 private:
  [[noreturn]] void refuse(const YAML::Node& at, const std::string& why) const {
    throw bad_target(name_ + ':' + std::to_string(at.Mark().line + 1) + ": " + why);
  }

  const YAML::Node& map(const YAML::Node& node) const {
    if (!node.IsMap() && !node.IsNull()) refuse(node, "names with what belongs to them expected");
    return node;
  }

  std::string text(const YAML::Node& node) const {
    if (!node.IsScalar()) refuse(node, "a text is expected");
    return node.as<std::string>();
  }

  std::vector<std::string> expand(const YAML::Node& node) const {
    try {
      return expand_ranges(text(node));
    } catch (const bad_pattern& error) {
      refuse(node, error.what());
    }
  }

  // "a,b", or [a, b].
  std::string read_list(const YAML::Node& node) const {
    if (!node.IsSequence()) return text(node);
    std::string list;
    for (const auto& item : node) list.append(list.empty() ? "" : ",").append(text(item));
    return list;
  }

  host_group read_group(const YAML::Node& node) const {
    if (!node.IsMap()) return {read_list(node), {}};
    host_group group;
    for (const auto& entry : node)
      if (entry.first.as<std::string>() == "hosts") group.hosts = read_list(entry.second);
    group.attributes = read_attributes(node, "hosts");
    return group;
  }

  host_attributes read_attributes(const YAML::Node& node, const std::string& but = {}) const {
    host_attributes result;
    for (const auto& entry : map(node)) {
      const auto name = entry.first.as<std::string>();
      if (name == but) continue;
      try {
        if (entry.second.IsSequence())
          for (const auto& item : entry.second) result.set(name, text(item));
        else
          result.set(name, text(entry.second));
      } catch (const bad_target& error) {
        refuse(entry.first, error.what());
      }
    }
    return result;
  }

  std::string name_;
};

}  // namespace

inventory parse_inventory(const std::string& yaml, const std::string& name) {
  try {
    return reader(name).read(YAML::Load(yaml));
  } catch (const YAML::Exception& error) {
    throw bad_target(name + ':' + std::to_string(error.mark.line + 1) + ": " + error.msg);
  }
}

inventory read_inventory(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string text;
  try {
    text.assign(std::istreambuf_iterator<char>(in), {});
  } catch (const std::ios_base::failure&) {  // a directory
    in.close();
  }
  if (!in.is_open() || in.bad()) throw bad_target("cannot read " + file.string());
  return parse_inventory(text, file.string());
}

}  // namespace ssh_runner
