// Proved by: tests/conformance/command_start.cpp.
#include "os/environment.hpp"

#include <unistd.h>

#include <algorithm>
#include <string_view>

namespace weft::detail {

namespace {

std::string_view name_of(std::string_view entry) { return entry.substr(0, entry.find('=')); }

std::string default_path() {
  std::string path(confstr(_CS_PATH, nullptr, 0), '\0');
  confstr(_CS_PATH, path.data(), path.size());
  if (!path.empty()) path.pop_back();  // its null
  return path;
}

}  // namespace

std::vector<std::string> environment_with(const variables& set, bool cleared) {
  std::vector<std::string> all;
  const auto is_set = [&](std::string_view name) {
    return std::any_of(set.begin(), set.end(), [&](const auto& v) { return v.first == name; });
  };
  for (char** entry = cleared ? nullptr : environ; entry != nullptr && *entry != nullptr; ++entry) {
    if (!is_set(name_of(*entry))) all.emplace_back(*entry);
  }
  for (auto v = set.begin(); v != set.end(); ++v) {
    const bool again =
        std::any_of(v + 1, set.end(), [&](const auto& later) { return later.first == v->first; });
    if (!again) all.push_back(v->first + "=" + v->second);
  }
  return all;
}

std::vector<std::string> places_of(const std::string& program,
                                   const std::vector<std::string>& environment) {
  if (program.find('/') != std::string::npos || program.empty()) return {program};
  const auto path = std::find_if(environment.begin(), environment.end(),
                                 [](const std::string& e) { return e.starts_with("PATH="); });
  const std::string directories =
      path != environment.end() ? path->substr(sizeof "PATH=" - 1) : default_path();
  std::vector<std::string> places;
  std::string_view rest = directories;
  for (bool more = true; more;) {
    const std::size_t end = rest.find(':');
    more = end != std::string_view::npos;
    std::string place(rest.substr(0, end));  // empty: where it starts
    if (more) rest.remove_prefix(end + 1);
    if (!place.empty() && place.back() != '/') place += '/';
    places.push_back(place + program);
  }
  return places;
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& w : words) pointers.push_back(w.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace weft::detail
