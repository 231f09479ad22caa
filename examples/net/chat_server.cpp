// A chat server: each line that a client sends goes to all others.
//
//   chat_server [PORT]     try it with:  nc localhost PORT
//
// Shows a broadcast that nobody can hold up. Each client has two goroutines: one reads its lines, one
// writes what the others said, from a channel with room for 64 lines. Who broadcasts never waits for
// a client: a select with a default sends, or finds the channel full. Then this client is too slow, and
// is dropped: its channel is closed and its connection too, so that both of its goroutines end.
// Lines are shared, not copied for each client.
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>

#include <weft/weft.hpp>

#include "interrupt.hpp"

namespace {

using line = std::shared_ptr<const std::string>;

struct client {
  explicit client(weft::tcp_stream s) : stream(std::move(s)), name(stream.peer_address().to_string()) {}
  weft::tcp_stream stream;
  std::string name;
  weft::chan<line> outgoing{64};
};

class room {
 public:
  void enter(const std::shared_ptr<client>& who) {
    std::lock_guard lock(mutex_);
    clients_[who->name] = who;
    broadcast_locked(who->name + " is here\n", nullptr);
  }

  void leave(const client& who) {
    std::lock_guard lock(mutex_);
    if (remove_locked(who.name)) broadcast_locked(who.name + " has left\n", nullptr);
  }

  void say(const client& who, const std::string& words) {
    std::lock_guard lock(mutex_);
    broadcast_locked(who.name + ": " + words + '\n', &who);
  }

 private:
  void broadcast_locked(std::string text, const client* but) {
    const line l = std::make_shared<const std::string>(std::move(text));
    std::string too_slow;
    for (const auto& [name, c] : clients_) {
      if (c.get() == but) continue;
      weft::select(weft::on_send(c->outgoing, l), weft::on_default([&] { too_slow = name; }));
    }
    if (too_slow.empty()) return;
    remove_locked(too_slow);
    broadcast_locked(too_slow + " was too slow\n", nullptr);
  }

  // False: it was dropped before.
  bool remove_locked(const std::string& name) {
    const auto found = clients_.find(name);
    if (found == clients_.end()) return false;
    std::cerr << name << " goes\n";
    found->second->outgoing.close();
    found->second->stream.close();
    clients_.erase(found);
    return true;
  }

  weft::mutex mutex_;
  std::map<std::string, std::shared_ptr<client>> clients_;
};

// Until the client has gone, has been dropped, or the program is interrupted.
void serve(const std::shared_ptr<client>& who, room& r, const weft::context& ctx) {
  r.enter(who);
  auto writing = weft::spawn([who, ctx] {
    try {
      for (const line& l : who->outgoing) who->stream.write(*l, ctx);
    } catch (const std::system_error&) {
      who->stream.close();  // the reader ends, too
    }
  });
  try {
    weft::line_reader lines(who->stream, 4096);
    while (std::optional<std::string> words = lines.next(ctx)) r.say(*who, *words);
  } catch (const std::system_error& e) {
    std::cerr << who->name << ": " << e.what() << '\n';
  }
  r.leave(*who);
  writing.wait();
}

void accept_all(weft::tcp_listener& listener, const weft::context& ctx) {
  room r;
  weft::wait_group clients;
  for (;;) {
    clients.go([stream = listener.accept(ctx), &r, ctx]() mutable {
      try {
        serve(std::make_shared<client>(std::move(stream)), r, ctx);
      } catch (const std::system_error& e) {
        std::cerr << e.what() << '\n';  // gone before it had a name
      }
    });
  }
}

}  // namespace

int main(int argc, char** argv) try {
  weft::run([&] {
    const auto port = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0);
    weft::tcp_listener listener("", port);
    const weft::context ctx = until_interrupted();
    std::cout << "listening on port " << listener.local_address().port() << std::endl;
    try {
      accept_all(listener, ctx);
    } catch (const std::system_error& e) {
      if (e.code() != std::errc::operation_canceled) throw;
    }
  });
  std::cout << "interrupted\n";
} catch (const std::exception& e) {
  std::cerr << "chat_server: " << e.what() << '\n';
  return 1;
}
