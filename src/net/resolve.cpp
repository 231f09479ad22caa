// Look-ups of names.
//
// getaddrinfo cannot be interrupted, so nothing of its caller is in its hands: the call on the pool's
// thread owns the names and a handle of the channel with room for one result. Who does not wait any
// more has dropped its own handle, and the result goes with the channel.
// Proved by: tests/conformance/net_resolve_test.cpp.
#include "weft/net/resolve.hpp"

#include <netdb.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <utility>

#include "net/fail.hpp"
#include "net/lookup.hpp"
#include "weft/select.hpp"

namespace weft {

using namespace detail;

namespace {

struct resolve_errors final : std::error_category {
  const char* name() const noexcept override { return "weft.resolve"; }
  std::string message(int value) const override { return gai_strerror(value); }
};

lookup_result ask_system(const std::string& host, const std::string& service) {
  lookup_result result;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;  // or each address comes once for each kind
  addrinfo* list = nullptr;
  // Without both names there is nothing to look up: port 0 of this host.
  const char* port = service.empty() && host.empty() ? "0" : service.empty() ? nullptr : service.c_str();
  result.error = getaddrinfo(host.empty() ? nullptr : host.c_str(), port, &hints, &list);
  if (result.error != 0) {
    if (result.error == EAI_SYSTEM) result.system_error = last_error();
    return result;
  }
  struct freeing {
    addrinfo* list;
    ~freeing() { freeaddrinfo(list); }
  } const frees{list};
  for (const addrinfo* a = list; a != nullptr; a = a->ai_next) {
    if (a->ai_family != AF_INET && a->ai_family != AF_INET6) continue;
    const socket_address found = socket_address::from(a->ai_addr, a->ai_addrlen);
    if (std::ranges::find(result.addresses, found) == result.addresses.end()) {
      result.addresses.push_back(found);
    }
  }
  if (result.addresses.empty()) result.error = EAI_NONAME;
  return result;
}

struct lookup_call final : detached_call {
  lookup_call(std::string h, std::string s, chan<lookup_result> to)
      : host(std::move(h)), service(std::move(s)), answer(std::move(to)) {}
  void run() noexcept override {
    lookup_result result;
    try {
      result = ask_system(host, service);
    } catch (const std::bad_alloc&) {
      result = {};
      result.error = EAI_MEMORY;
    }
    answer.try_send(std::move(result));
  }
  std::string host;
  std::string service;
  chan<lookup_result> answer;
};

// The address, if there is nothing to look up.
std::optional<socket_address> as_numbers(const std::string& host, const std::string& service) {
  std::uint16_t port = 0;
  const char* end = service.data() + service.size();
  if (!service.empty()) {
    const auto [at, error] = std::from_chars(service.data(), end, port);
    if (error != std::errc{} || at != end) return std::nullopt;
  }
  if (host.find(':') == std::string::npos && (host.empty() || host[0] < '0' || host[0] > '9')) {
    return std::nullopt;  // a name
  }
  try {
    return socket_address(host, port);
  } catch (const std::system_error&) {
    return std::nullopt;
  }
}

}  // namespace

const std::error_category& resolve_category() noexcept {
  static const resolve_errors category;
  return category;
}

namespace detail {

lookup::lookup(std::string host, std::string service, const wait_limit& limit)
    : name_("resolve " + host + (service.empty() ? "" : ":" + service)), limit_(limit) {
  if (name_.find('\0') != std::string::npos) {
    fail_net(EINVAL, std::string(name_.c_str()) + ": a NUL character in the name");
  }
  if (auto known = as_numbers(host, service)) {
    answer_.try_send(lookup_result{{*known}, 0, 0});
    return;
  }
  if (limit.ends_with().err() != context_error::none || clock::now() >= at_the_latest()) return;
  run_detached(std::make_unique<lookup_call>(std::move(host), std::move(service), answer_));
}

clock::time_point lookup::at_the_latest() const {
  return clock::time_point(clock::duration(limit_.get().at));
}

std::vector<socket_address> lookup::finish(std::optional<lookup_result> result) const {
  if (!result) {
    const bool cancelled = limit_.ends_with().err() == context_error::cancelled;
    fail_net(cancelled ? ECANCELED : ETIMEDOUT, name_);
  }
  if (result->error == 0) return std::move(result->addresses);
  if (result->error == EAI_SYSTEM) fail_net(result->system_error, name_);
  throw std::system_error(result->error, resolve_category(), "weft::" + name_);
}

coro<std::vector<socket_address>> async_resolve(std::string host, std::string service,
                                                wait_limit limit) {
  const lookup asked(std::move(host), std::move(service), limit);
  const recv_chan<lookup_result> answer = asked.answer();
  std::optional<lookup_result> result;
  co_await async_select(on_recv(answer, result), on_done(limit.ends_with()),
                        on_timeout(asked.at_the_latest()));
  co_return asked.finish(std::move(result));
}

}  // namespace detail

std::vector<socket_address> resolve(std::string host, std::string service, wait_limit limit) {
  const lookup asked(std::move(host), std::move(service), limit);
  std::optional<lookup_result> result;
  select(on_recv(asked.answer(), result), on_done(limit.ends_with()),
         on_timeout(asked.at_the_latest()));
  return asked.finish(std::move(result));
}

}  // namespace weft
