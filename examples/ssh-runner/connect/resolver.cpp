#include "connect/resolver.hpp"

#include <netdb.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace ssh_runner {
namespace {

constexpr int threads = 4;

}  // namespace

// Not joined: a thread may be stuck in getaddrinfo for long. It owns all that it uses.
resolver::~resolver() { questions_.close(); }

std::vector<socket_address> resolver::look_up(const std::string& host, std::uint16_t port,
                                              attempt& a) {
  const std::string service = std::to_string(port);
  if (answer numeric = ask(host, service, AI_NUMERICHOST); numeric.error.empty())
    return std::move(numeric.addresses);

  start_threads();
  const question asked{host, service, weft::chan<answer>(1)};
  a.wait(weft::on_send(questions_, asked));
  std::optional<answer> got;
  a.wait(weft::on_recv(asked.reply, got));
  if (!got->error.empty()) a.fail(got->error);
  return std::move(got->addresses);
}

void resolver::start_threads() {
  const std::lock_guard lock(starting_);
  if (std::exchange(started_, true)) return;
  for (int i = 0; i < threads; ++i) {
    std::thread([questions = weft::recv_chan<question>(questions_)] { serve(questions); }).detach();
  }
}

void resolver::serve(const weft::recv_chan<question>& questions) {
  while (const auto asked = questions.recv()) asked->reply.send(ask(asked->host, asked->port, 0));
}

resolver::answer resolver::ask(const std::string& host, const std::string& port, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | flags;
  addrinfo* list = nullptr;
  const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &list);
  if (error == EAI_SYSTEM) return {{}, std::system_category().message(errno)};
  if (error != 0) return {{}, gai_strerror(error)};
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, &freeaddrinfo);
  answer result;
  for (const addrinfo* a = list; a != nullptr; a = a->ai_next) {
    socket_address& address = result.addresses.emplace_back();
    std::memcpy(&address.storage, a->ai_addr, a->ai_addrlen);
    address.size = a->ai_addrlen;
  }
  return result;
}

}  // namespace ssh_runner
