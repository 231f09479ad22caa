#include "plan/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <utility>

#include "hosts/host_list.hpp"
#include "hosts/host_pattern.hpp"
#include "hosts/ssh_config.hpp"
#include "plan/account.hpp"

namespace ssh_runner {
namespace {

constexpr duration usual_connect_timeout = std::chrono::seconds(15);
constexpr std::size_t longest_chain = 8;
constexpr duration usual_keep_alive = std::chrono::seconds(30);

// As ssh-keygen -l prints it; "SHA256:" may be missing in front, and the end may be padded.
std::string checked_fingerprint(std::string text, const std::string& host) {
  constexpr std::string_view kind = "SHA256:";
  constexpr std::size_t digits = 43;  // of 32 bytes in base64
  const auto is_digit = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '+' || c == '/';
  };
  if (!text.starts_with(kind)) text.insert(0, kind);
  if (text.ends_with('=')) text.pop_back();
  const std::string_view hash = std::string_view(text).substr(kind.size());
  if (hash.size() != digits || !std::ranges::all_of(hash, is_digit))
    throw usage_error(
        fmt::format("{}: fingerprint '{}': must be SHA256: and 43 characters, as "
                    "ssh-keygen -l prints it",
                    host, hash));
  return text;
}

// Of --known-hosts. What cannot be read must not pass for a file that knows nobody.
void check_known_hosts_file(const std::string& file, bool may_be_new) {
  if (file == "none") return;
  std::error_code error;
  const auto kind = std::filesystem::status(file, error).type();
  if (kind == std::filesystem::file_type::not_found) {
    if (may_be_new) return;
    throw usage_error("--known-hosts: there is no " + file +
                      "; only with --host-key-check accept-new the first one may be made");
  }
  if (kind == std::filesystem::file_type::directory || !std::ifstream(file))
    throw usage_error("--known-hosts: cannot read " + file);
}

// What it takes to name the host again; but no password, and nothing with a blank, which a hosts file
// cannot have. What is left out stands in `left_out`.
std::string line_for(const target& t, std::string& left_out) {
  std::string line = t.said.user + '@' + t.address();
  const auto add = [&](const std::string& name, const std::string& word) {
    if (word.find_first_of(" \t\r\n") == std::string::npos)
      line += ' ' + word;
    else
      left_out.append(left_out.empty() ? "" : " and ").append(name);
  };
  for (const std::string& key : t.said.keys) add("key", "key=" + key);
  if (t.said.password && !t.said.password_from.empty())
    add("password", t.said.password_from);
  else if (t.said.password)
    left_out.append(left_out.empty() ? "" : " and ").append("password");
  if (t.said.jump) add("jump", "jump=" + *t.said.jump);
  if (!t.said.fingerprint.empty()) add("fingerprint", "fingerprint=" + t.said.fingerprint);
  return line;
}

keep_alive_rule make_keep_alive(const std::optional<duration>& asked, const host_config& config) {
  keep_alive_rule rule;
  rule.interval = asked ? asked : usual_keep_alive;
  if (!asked && config.alive_interval) rule.interval = *config.alive_interval;
  if (rule.interval->count() == 0) rule.interval.reset();
  if (config.alive_count) rule.count = *config.alive_count;
  return rule;
}

class planner {
 public:
  planner(const settings& asked)
      : asked_(asked), me_(current_account()), config_(me_.home, me_.name) {}

  plan make();

 private:
  void read_config();
  std::vector<target> list_targets();
  endpoint make_endpoint(const target& t, const login_settings& login);
  credentials make_credentials(const target& t, const host_config& config,
                               const login_settings& login);
  host_key_rule make_rule(const endpoint& to, const target& t, const host_config& config,
                          bool is_jump);
  std::shared_ptr<const known_hosts> read_known_hosts(const std::vector<std::string>& files);
  std::vector<std::string> jumps_of(const target& t, const host_config& config) const;
  std::shared_ptr<const endpoint> make_chain(const std::vector<std::string>& jumps);

  const settings& asked_;
  account me_;
  ssh_config config_;
  key_ring keys_;
  std::map<std::vector<std::string>, std::shared_ptr<const known_hosts>> known_hosts_;
  std::map<std::vector<std::string>, std::shared_ptr<const endpoint>> chains_;
  std::size_t making_chain_ = 0;  // how deep make_chain is in itself
  std::set<std::string> notes_;   // about keys that are not used
  plan result_;
};

void planner::read_config() {
  try {
    if (asked_.hosts.ssh_config == "none") return;
    if (!asked_.hosts.ssh_config.empty()) {
      config_.read(std::filesystem::path(asked_.hosts.ssh_config), true);
    } else {
      if (!me_.home.empty()) config_.read(me_.ssh_dir() / "config");
      config_.read(std::filesystem::path("/etc/ssh/ssh_config"));
    }
  } catch (const bad_config& error) {
    throw usage_error(error.what());
  }
  result_.warnings = config_.warnings();
}

std::vector<target> planner::list_targets() {
  const host_settings& asked = asked_.hosts;
  const char* option = "--inventory";
  try {
    inventory known;
    if (!asked.inventory.empty()) known = read_inventory(asked.inventory);
    host_list list(known, std::cin);
    option = "--host";
    for (const std::string& text : asked.lists) list.add(text);
    option = "--hosts-file";
    for (const std::string& file : asked.files) list.add_file(file);
    option = "--exclude";
    for (const std::string& text : asked.excluded) list.exclude(text);
    if (list.standard_input_was_read() && asked_.script.from_standard_input)
      throw usage_error("--script-file: standard input holds the script or the hosts, not both");
    result_.password_variables = list.password_variables();
    return list.targets();
  } catch (const std::invalid_argument& error) {
    throw usage_error(fmt::format("{}: {}", option, error.what()));
  }
}

plan planner::make() {
  read_config();
  std::vector<target> targets = list_targets();
  if (targets.empty())
    throw usage_error(asked_.hosts.lists.empty() && asked_.hosts.files.empty()
                          ? "no hosts: give --host or --hosts-file"
                          : "no hosts are left");
  for (target& t : targets) {
    const host_config config = config_.look_up(t.host, t.said.user);
    if (t.said.user.empty()) t.said.user = asked_.hosts.user;
    if (t.said.user.empty()) t.said.user = config.user.value_or(me_.name);
    if (t.said.user.empty()) throw usage_error("no user for host '" + t.host + "': give --user");
    if (t.said.port == 0) t.said.port = asked_.hosts.port;
    if (t.said.port == 0) t.said.port = config.port.value_or(22);
  }
  label_targets(targets);
  result_.hosts.reserve(targets.size());
  bool unchecked = false;
  for (const target& t : targets) {
    endpoint to = make_endpoint(t, asked_.login);
    const host_config config = config_.look_up(t.host, t.said.user);
    const std::vector<std::string> jumps = jumps_of(t, config);
    if (config.proxy_command && *config.proxy_command != "none" && jumps.empty())
      throw usage_error("host '" + t.host +
                        "' has a ProxyCommand in the configuration, which is not supported: give "
                        "--jump or use ProxyJump");
    to.via = make_chain(jumps);
    planned_host& host = result_.hosts.emplace_back();
    host.label = t.label;
    host.to = std::make_shared<const endpoint>(std::move(to));
    host.again = line_for(t, host.left_out);
  }
  for (const planned_host& host : result_.hosts)
    for (const endpoint* e = host.to.get(); e != nullptr; e = e->via.get())
      unchecked |= e->host_key.check == host_key_check::no && e->host_key.fingerprint.empty();
  if (unchecked)
    result_.warnings.emplace_back(
        "host keys are not checked; whoever sits between here and a host can read and change all "
        "of "
        "it, passwords too");
  return std::move(result_);
}

// Of the user and port of `t` those that are empty are looked up.
endpoint planner::make_endpoint(const target& t, const login_settings& login) {
  const host_config config = config_.look_up(t.host, t.said.user);
  endpoint to;
  to.name = t.host;
  to.address = config.host_name.value_or(t.host);
  to.user = !t.said.user.empty() ? t.said.user : config.user.value_or(me_.name);
  to.port = t.said.port != 0 ? t.said.port : config.port.value_or(22);
  const bool is_jump = &login == &asked_.jump_login;
  to.family =
      is_jump ? asked_.hosts.jump_family.value_or(asked_.hosts.family) : asked_.hosts.family;
  to.algorithms = is_jump ? asked_.jump_algorithms.value_or(asked_.algorithms) : asked_.algorithms;
  to.login = make_credentials(t, config, login);
  to.host_key = make_rule(to, t, config, is_jump);
  to.connect_timeout = asked_.times.connect.value_or(
      config.connect_timeout && config.connect_timeout->count() > 0 ? *config.connect_timeout
                                                                    : usual_connect_timeout);
  to.keep_alive = make_keep_alive(asked_.times.keep_alive, config);
  return to;
}

credentials planner::make_credentials(const target& t, const host_config& config,
                                      const login_settings& login) {
  credentials result;
  result.password = t.said.password ? t.said.password : login.password;
  result.use_agent = login.use_agent && config.identity_agent != "none";
  result.identities_only = login.identities_only || config.identities_only.value_or(false);

  const auto need = [&](const shared_key& key) {
    if (!key->key && !key->public_part)
      throw usage_error(key->name + ": " +
                        (key->problem.empty() ? "there is no such key" : key->problem));
    if (!key->key && !result.use_agent) throw usage_error(key->name + ": " + key->problem);
    result.keys.push_back(key);
  };
  const auto use_if_there = [&](const shared_key& key) {
    if (key->key || key->public_part) result.keys.push_back(key);
    if (!key->problem.empty() && notes_.insert(key->name).second)
      result_.warnings.push_back(key->name + ": not used: " + key->problem);
  };

  const auto load = [&](const std::filesystem::path& file) {
    return keys_.load(file, login.passphrase);
  };
  const shared_key text =
      login.key_text ? keys_.parse(*login.key_text, login.passphrase, "the key in the environment")
                     : nullptr;
  if (!t.said.keys.empty() || !login.key_files.empty() || text) {
    for (const std::string& file : t.said.keys.empty() ? login.key_files : t.said.keys)
      need(load(file));
    if (text && t.said.keys.empty()) need(text);
  } else if (!config.identity_files.empty()) {
    for (const std::string& file : config.identity_files)
      if (file != "none") use_if_there(load(file));
  } else if (!result.password && !me_.home.empty()) {
    for (const char* name : {"id_ed25519", "id_ecdsa", "id_rsa"})
      use_if_there(load(me_.ssh_dir() / name));
  }
  return result;
}

host_key_rule planner::make_rule(const endpoint& to, const target& t, const host_config& config,
                                 bool is_jump) {
  host_key_rule rule;
  rule.name = config.host_key_alias.value_or(to.address);
  if (!config.host_key_alias) rule.port = to.port;
  rule.fingerprint = t.said.fingerprint;
  if (rule.fingerprint.empty())
    rule.fingerprint = is_jump ? asked_.host_keys.jump_fingerprint : asked_.host_keys.fingerprint;
  const std::string strict = config.strict_host_key_checking.value_or("yes");
  rule.check =
      asked_.host_keys.check.value_or(strict == "accept-new" ? host_key_check::accept_new
                                      : strict == "no" || strict == "off" ? host_key_check::no
                                                                          : host_key_check::yes);
  if (!rule.fingerprint.empty()) rule.fingerprint = checked_fingerprint(rule.fingerprint, to.name);
  if (rule.check == host_key_check::no || !rule.fingerprint.empty()) return rule;

  std::vector<std::string> files = asked_.host_keys.known_hosts;
  for (const std::string& file : files)
    check_known_hosts_file(file, rule.check == host_key_check::accept_new && file == files.front());
  if (files.empty()) {
    files = config.known_hosts_files;
    if (files.empty() && !me_.home.empty()) files = {(me_.ssh_dir() / "known_hosts").string()};
    const auto& global = config.global_known_hosts_files;
    if (global.empty())
      files.emplace_back("/etc/ssh/ssh_known_hosts");
    else
      files.insert(files.end(), global.begin(), global.end());
  }
  rule.known = read_known_hosts(files);
  if (files.front() != "none") rule.new_keys_go_to = files.front();
  return rule;
}

std::shared_ptr<const known_hosts> planner::read_known_hosts(
    const std::vector<std::string>& files) {
  auto& known = known_hosts_[files];
  if (!known) {
    auto read = std::make_shared<known_hosts>();
    for (const std::string& file : files)
      if (file != "none") read->read(std::filesystem::path(file));
    known = std::move(read);
  }
  return known;
}

std::vector<std::string> planner::jumps_of(const target& t, const host_config& config) const {
  if (t.said.jump)
    return *t.said.jump == "none" ? std::vector<std::string>{} : split_host_list(*t.said.jump);
  if (asked_.hosts.jump) return *asked_.hosts.jump;
  if (!config.proxy_jump || *config.proxy_jump == "none") return {};
  return split_host_list(*config.proxy_jump);
}

// The last of them, with those before it behind. Chains with the same beginning share it, so that
// each jump host is one endpoint, and later one connection.
std::shared_ptr<const endpoint> planner::make_chain(const std::vector<std::string>& jumps) {
  if (jumps.empty()) return nullptr;
  auto& known = chains_[jumps];
  if (known) return known;
  if (jumps.size() > longest_chain || ++making_chain_ > longest_chain)
    throw usage_error("more than 8 jump hosts, one behind the other: is there a circle?");
  target t;
  try {
    t = parse_target(jumps.back());
  } catch (const bad_target& error) {
    throw usage_error(std::string("jump host: ") + error.what());
  }
  endpoint to = make_endpoint(t, asked_.jump_login);
  std::vector<std::string> before(jumps.begin(), jumps.end() - 1);
  if (before.empty() && !asked_.hosts.jump) {
    // The first of the chain may have jump hosts of its own in the configuration.
    before = jumps_of(t, config_.look_up(t.host, t.said.user));
    if (!before.empty()) {
      std::vector<std::string> all = before;
      all.push_back(jumps.back());
      known = make_chain(all);
      --making_chain_;
      return known;
    }
  }
  to.via = make_chain(before);
  known = std::make_shared<const endpoint>(std::move(to));
  --making_chain_;
  return known;
}

}  // namespace

std::string endpoint::described() const {
  const std::string host = address.find(':') == std::string::npos ? address : '[' + address + ']';
  std::string text = fmt::format("{}@{}:{}", user, host, port);
  if (via) text += " through " + via->described();
  return text;
}

plan make_plan(const settings& asked) { return planner(asked).make(); }

}  // namespace ssh_runner
