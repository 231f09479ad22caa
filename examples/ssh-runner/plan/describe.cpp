#include "plan/describe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <ostream>
#include <utility>

#include "hosts/name_ranges.hpp"
#include "text/duration.hpp"

namespace ssh_runner {
namespace {

std::string login_of(const credentials& login) {
  std::string text;
  const auto add = [&](const std::string& what) {
    text.append(text.empty() ? "" : ", ").append(what);
  };
  for (const shared_key& key : login.keys)
    add(key->key ? key->name : key->name + " (in the agent)");
  if (login.use_agent && !login.identities_only) add("the agent's keys");
  if (login.password) add("a password");
  return text.empty() ? "nothing" : text;
}

std::string host_key_of(const host_key_rule& rule) {
  if (!rule.fingerprint.empty()) return "must be " + rule.fingerprint;
  switch (rule.check) {
    case host_key_check::yes: return "must be known";
    case host_key_check::accept_new: return "must be known or new";
    case host_key_check::no: return "is not checked";
  }
  return {};
}

// What is not as usual in the ways to reach it and to talk to it.
std::string choices_of(const endpoint& to) {
  std::string text;
  if (to.family == ip_family::v4) text += "; IPv4 only";
  if (to.family == ip_family::v6) text += "; IPv6 only";
  const algorithm_settings& a = to.algorithms;
  if (!a.ciphers.empty()) text += "; ciphers " + a.ciphers;
  if (!a.key_exchange.empty()) text += "; key exchange " + a.key_exchange;
  if (!a.macs.empty()) text += "; MACs " + a.macs;
  if (a.insecure) text += "; old algorithms as well";
  return text;
}

// All but where the host is.
std::string way_in(const endpoint& to) {
  std::string text = fmt::format(
      "login with {}; host key {}; {} to connect{}", login_of(to.login), host_key_of(to.host_key),
      to.connect_timeout < no_limit ? in_seconds(to.connect_timeout) : "any time", choices_of(to));
  for (const endpoint* e = to.via.get(); e != nullptr; e = e->via.get())
    text += fmt::format("; through {}@{}:{} (login with {}; host key {}{})", e->user, e->address,
                        e->port, login_of(e->login), host_key_of(e->host_key), choices_of(*e));
  return text;
}

std::string limits(const settings& asked) {
  std::string text = fmt::format("{} at a time", asked.run.fanout);
  if (asked.run.retries > 0) text += fmt::format(", {} retries to connect", asked.run.retries);
  if (asked.times.command) text += ", " + in_seconds(*asked.times.command) + " for the script";
  if (asked.times.all) text += ", " + in_seconds(*asked.times.all) + " for all";
  if (asked.run.fail_fast) text += ", all end with the first failure";
  if (asked.run.max_failures)
    text += fmt::format(", none begins after {} failures", *asked.run.max_failures);
  return text;
}

}  // namespace

void describe(std::ostream& out, const settings& asked, const plan& planned) {
  out << fmt::format("{} host{}, {}\n", planned.hosts.size(), planned.hosts.size() == 1 ? "" : "s",
                     limits(asked));
  std::map<std::string, std::vector<std::string>> ways;
  for (const planned_host& host : planned.hosts) ways[way_in(*host.to)].push_back(host.label);
  for (const auto& [way, labels] : ways) out << fmt::format("{}: {}\n", fold_names(labels), way);
  for (const planned_host& host : planned.hosts)
    out << fmt::format("  {}: {}\n", host.label, host.to->described());

  const script_settings& script = asked.script;
  out << "run by " << script.shell;
  if (script.sudo)
    out << ", by sudo" << (script.sudo_user.empty() ? "" : " as " + script.sudo_user);
  if (script.request_pty) out << ", on a terminal";
  if (script.stop_on_error) out << ", until the first error";
  const char* separator = ", with ";
  for (const auto* some : {&script.matching, &script.variables})
    for (const auto& [name, value] : *some) out << std::exchange(separator, " ") << name;
  if (script.variable_format != script_settings{}.variable_format)
    out << " as " << script.variable_format;
  out << ":\n" << script.text << (script.text.ends_with('\n') ? "" : "\n");
  out.flush();
}

}  // namespace ssh_runner
