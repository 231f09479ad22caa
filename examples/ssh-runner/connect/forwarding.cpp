#include "connect/forwarding.hpp"

#include <libssh/callbacks.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <new>
#include <span>
#include <utility>

namespace ssh_runner {
namespace {

constexpr std::size_t piece = 8 << 10;        // read from a link at a time, on its stack
constexpr std::size_t most_held = 256 << 10;  // of what came for a link and it did not take yet

// Shared by the owner and a link's two goroutines.
struct link_ends {
  explicit link_ends(weft::unix_stream s) : socket(std::move(s)) {}
  weft::unix_stream socket;
  weft::chan<std::string> to_target{1};
  weft::chan<void> leave{1};             // to send the next piece
  std::atomic<bool> owner_waits{false};  // for room in to_target
};

// From the target's session to the owner.
void read_target(link_ends& ends, const weft::chan<jump_message>& inbox, std::uint64_t id) {
  try {
    for (;;) {
      std::array<std::byte, piece> buffer;  // NOLINT: filled by read
      const std::size_t n = ends.socket.read(buffer);
      inbox.send({bytes_out{id, {reinterpret_cast<const char*>(buffer.data()), n}}});
      if (n == 0 || !ends.leave.recv()) return;
    }
  } catch (const std::system_error&) {  // closed by the other one of us
    try {
      inbox.send({bytes_out{id, {}}});
    } catch (const weft::closed_channel&) {
    }
  } catch (const weft::closed_channel&) {  // the owner has ended
  }
}

// From the owner to the target's session.
void write_target(link_ends& ends, const weft::chan<jump_message>& inbox, std::uint64_t id) {
  try {
    for (const std::string& bytes : ends.to_target) {
      ends.socket.write(bytes);
      // Pairs with pass_on(): it sets the flag and tries once more; we make room and then look.
      if (ends.owner_waits.exchange(false)) inbox.send({room_for_more{id}});
    }
  } catch (const std::system_error&) {
  } catch (const weft::closed_channel&) {
  }
  ends.socket.close();
}

}  // namespace

struct forwarding::link {
  std::uint64_t id = 0;
  open_request request;
  ssh_channel channel = nullptr;
  ssh_channel_callbacks_struct callbacks{};
  bool opening = true;
  bool ended = false;    // the other side sends no more
  bool touched = false;  // by a callback
  std::string incoming;  // for the target
  std::string outgoing;  // from the target
  std::shared_ptr<link_ends> ends;

  // Called by libssh from within its other calls; they must not wait.
  static int on_data(ssh_session, ssh_channel, void* data, uint32_t size, int,
                     void* self) noexcept {
    auto& l = *static_cast<link*>(self);
    l.touched = true;
    if (l.incoming.size() >= most_held) return 0;  // stays in libssh, and counts in its window
    l.incoming.append(static_cast<const char*>(data), size);
    return static_cast<int>(size);
  }
  static void on_end(ssh_session, ssh_channel, void* self) noexcept {
    auto& l = *static_cast<link*>(self);
    l.ended = l.touched = true;
  }
};

forwarding::forwarding(std::unique_ptr<session> on, keep_alive_rule rule,
                       weft::chan<jump_message> inbox)
    : session_(std::move(on)),
      alive_(session_->get(), rule),
      event_(ssh_event_new()),
      inbox_(std::move(inbox)) {
  if (!event_) throw std::bad_alloc();
  ssh_event_add_session(event_.get(), session_->get());
}

forwarding::~forwarding() {
  const weft::exit_guard finish;
  close_quietly(inbox_);
  while (!links_.empty()) drop(links_.begin()->first);
  helpers_.wait();
}

void forwarding::run() {
  for (;;) {
    if (!pump() || !alive_.check(true)) return;
    bool over = false;
    const auto on_message = [&](std::optional<jump_message> m) {
      if (m)
        take(*m);
      else
        over = true;
    };
    const auto nothing = [] {};
    const int fd = session_->fd();
    // To be asked after every call: libssh writes only when it may.
    if (session_->wants_write())
      weft::select(weft::on_readable(fd, nothing), weft::on_writable(fd, nothing),
                   weft::on_recv(inbox_, on_message), weft::on_timeout(alive_.next(), nothing));
    else
      weft::select(weft::on_readable(fd, nothing), weft::on_recv(inbox_, on_message),
                   weft::on_timeout(alive_.next(), nothing));
    if (over) return;
    // What else lies there, so that the socket is not asked after each message.
    std::optional<jump_message> more;
    while (inbox_.try_recv(more) == weft::chan_status::ok) take(*more);
  }
}

bool forwarding::pump() {
  for (bool idle = false; !idle;) {
    const int rc = ssh_event_dopoll(event_.get(), 0);
    if (rc == SSH_ERROR || ssh_is_connected(session_->get()) == 0) return false;
    idle = rc == SSH_AGAIN;
    check_openings();
    for (auto& [id, l] : links_) {
      if (!l->outgoing.empty()) send_out(*l);
      if (!std::exchange(l->touched, false)) continue;
      pass_on(*l);
      idle = false;  // libssh may have taken more from the socket meanwhile, for others
    }
  }
  return true;
}

void forwarding::take(jump_message& message) {
  if (auto* request = std::get_if<open_request>(&message.what)) return start(std::move(*request));
  if (auto* room = std::get_if<room_for_more>(&message.what)) {
    if (link* l = find(room->link)) pass_on(*l);
    return;
  }
  auto& out = std::get<bytes_out>(message.what);
  link* l = find(out.link);
  if (l == nullptr) return;
  if (out.bytes.empty()) return drop(out.link);
  l->outgoing = std::move(out.bytes);
  send_out(*l);
}

forwarding::link* forwarding::find(std::uint64_t id) {
  const auto found = links_.find(id);
  return found != links_.end() ? found->second.get() : nullptr;
}

void forwarding::start(open_request&& request) {
  auto l = std::make_unique<link>();
  l->id = next_++;
  l->request = std::move(request);
  l->channel = ssh_channel_new(session_->get());
  if (l->channel == nullptr) throw std::bad_alloc();
  l->callbacks.userdata = l.get();
  l->callbacks.channel_data_function = link::on_data;
  l->callbacks.channel_eof_function = link::on_end;
  l->callbacks.channel_close_function = link::on_end;
  ssh_callbacks_init(&l->callbacks);
  ssh_set_channel_callbacks(l->channel, &l->callbacks);
  const int rc = ssh_channel_open_forward(l->channel, l->request.address.c_str(), l->request.port,
                                          "127.0.0.1", 0);
  l->request.asked.close();
  link& added = *l;
  links_.emplace(added.id, std::move(l));
  ++opening_;
  if (rc == SSH_OK) opened(added);
  if (rc == SSH_ERROR) refuse(added, session_->refusal(), session_->forbids());
}

// libssh calls nobody back when a channel is open; the call that opens it is to be repeated. It asks
// the socket each time, so it is repeated only for those that look as if it had an effect.
void forwarding::check_openings() {
  if (opening_ == 0) return;
  const bool refused = session_->refused();
  for (auto i = links_.begin(); i != links_.end();) {
    link& l = *(i++)->second;
    if (!l.opening) continue;
    if (ssh_channel_is_open(l.channel) != 0) {
      opened(l);
    } else if (refused) {
      const std::string why = session_->refusal();
      const bool for_good = session_->forbids();
      const int rc = ssh_channel_open_forward(l.channel, l.request.address.c_str(), l.request.port,
                                              "127.0.0.1", 0);
      if (rc == SSH_ERROR) refuse(l, why, for_good);
    }
  }
}

void forwarding::opened(link& l) {
  l.opening = false;
  --opening_;
  auto [ours, theirs] = weft::unix_stream::pair();
  l.ends = std::make_shared<link_ends>(std::move(ours));
  helpers_.go([ends = l.ends, inbox = inbox_, id = l.id] { read_target(*ends, inbox, id); });
  helpers_.go([ends = l.ends, inbox = inbox_, id = l.id] { write_target(*ends, inbox, id); });
  l.request.reply.try_send({std::move(theirs), {}});  // it holds one: who asked may have gone
}

void forwarding::refuse(link& l, std::string why, bool for_good) {
  l.request.reply.try_send({{}, std::move(why), for_good});
  drop(l.id);
}

void forwarding::send_out(link& l) {
  while (!l.outgoing.empty()) {
    const auto n = std::min<std::size_t>(l.outgoing.size(), ssh_channel_window_size(l.channel));
    if (n == 0 || session_->wants_write()) return;  // pump() tries again
    const int sent = ssh_channel_write(l.channel, l.outgoing.data(), static_cast<uint32_t>(n));
    if (sent < 0) l.outgoing.clear();  // nobody wants it there
    if (sent <= 0) break;
    l.outgoing.erase(0, static_cast<std::size_t>(sent));
  }
  if (l.outgoing.empty()) l.ends->leave.try_send();
}

void forwarding::pass_on(link& l) {
  if (!l.ends || l.ends->to_target.closed()) return;
  for (;;) {
    if (l.incoming.empty() && ssh_channel_poll(l.channel, 0) > 0) {
      // What libssh kept while there was no room, all of it, or its window would grow too early.
      std::array<char, piece> buffer;  // NOLINT: filled by read
      for (int n = 1; n > 0;) {
        n = ssh_channel_read_nonblocking(l.channel, buffer.data(), buffer.size(), 0);
        if (n > 0) l.incoming.append(buffer.data(), static_cast<std::size_t>(n));
      }
    }
    if (l.incoming.empty()) break;
    // A value that is not taken stays; see write_target() for the flag.
    if (l.ends->to_target.try_send(std::move(l.incoming)) == weft::chan_status::full) {
      l.ends->owner_waits = true;
      if (l.ends->to_target.try_send(std::move(l.incoming)) == weft::chan_status::full) return;
    }
    l.incoming.clear();
  }
  if (l.ended) l.ends->to_target.close();
}

void forwarding::drop(std::uint64_t id) {
  const auto found = links_.find(id);
  link& l = *found->second;
  if (l.opening) --opening_;
  if (l.ends) {
    if (!l.ends->to_target.closed()) l.ends->to_target.close();
    l.ends->leave.close();
    l.ends->socket.close();
  }
  ssh_remove_channel_callbacks(l.channel, &l.callbacks);
  ssh_channel_free(l.channel);
  links_.erase(found);
}

}  // namespace ssh_runner
