#include "run/remote_command.hpp"

#include <libssh/callbacks.h>

#include <algorithm>
#include <array>
#include <new>
#include <string_view>
#include <utility>

namespace ssh_runner {
namespace {

// The shell takes all of its standard input before it runs any of it: a connection that breaks
// cannot leave half a script running, the script's own commands do not eat its rest, and `ps`
// shows nothing of it. In single quotes, since the user's login shell need not be sh.
constexpr const char* shell =
    "sh -c '"
    "unset __script; __script=$(cat) && exec </dev/null && eval \" $__script\""
    "'";

constexpr std::size_t read_ahead = 64 << 10;  // output held here while nobody takes it
constexpr std::size_t write_piece = 32 << 10;

int signal_number(std::string_view name) {
  constexpr std::array<std::string_view, 16> by_number = {
      "",    "HUP",  "INT",  "QUIT", "ILL",  "TRAP", "ABRT", "BUS",
      "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM"};
  const auto found = std::ranges::find(by_number, name);
  return found == by_number.end() ? 127 : static_cast<int>(found - by_number.begin());
}

class pump {
 public:
  pump(std::unique_ptr<session> on, std::shared_ptr<const std::string> script,
       attempt& a)
      : session_(std::move(on)), script_(std::move(script)) {
    start(a);
  }

  void run(const weft::chan<std::string>& signals);

  weft::chan<std::string> out, err;
  weft::chan<command_end> ended{2};  // two may come, so that no send waits

 private:
  void start(attempt& a);
  void work();
  void feed_script();
  bool room() const { return out_.size() + err_.size() < read_ahead; }
  void lose(std::string why);

  // Called by libssh from within its other calls; they must not wait.
  static int on_data(ssh_session, ssh_channel, void* data, uint32_t size, int is_err,
                     void* self) noexcept {
    auto& p = *static_cast<pump*>(self);
    (is_err != 0 ? p.err_ : p.out_).append(static_cast<const char*>(data), size);
    return static_cast<int>(size);
  }
  static void on_eof(ssh_session, ssh_channel, void* self) noexcept {
    static_cast<pump*>(self)->eof_ = true;
  }
  static void on_close(ssh_session, ssh_channel, void* self) noexcept {
    static_cast<pump*>(self)->over_ = true;
  }
  static void on_status(ssh_session, ssh_channel, int status, void* self) noexcept {
    static_cast<pump*>(self)->end_ = {status, {}, {}};
  }
  static void on_signal(ssh_session, ssh_channel, const char* name, int, const char*, const char*,
                        void* self) noexcept {
    static_cast<pump*>(self)->end_ = {128 + signal_number(name), name, {}};
  }

  std::unique_ptr<session> session_;
  event_ptr event_;
  ssh_channel channel_ = nullptr;  // the session owns it
  ssh_channel_callbacks_struct callbacks_{};

  std::shared_ptr<const std::string> script_;
  std::size_t script_sent_ = 0;
  bool script_ended_ = false;

  std::string out_, err_;  // received and not passed on yet
  command_end end_;
  bool end_told_ = false;
  bool eof_ = false;
  bool over_ = false;  // the session has nothing more for us
};

void pump::start(attempt& a) {
  session& s = *session_;
  channel_ = ssh_channel_new(s.get());
  if (channel_ == nullptr) throw std::bad_alloc();
  callbacks_.userdata = this;
  callbacks_.channel_data_function = on_data;
  callbacks_.channel_eof_function = on_eof;
  callbacks_.channel_close_function = on_close;
  callbacks_.channel_exit_status_function = on_status;
  callbacks_.channel_exit_signal_function = on_signal;
  ssh_callbacks_init(&callbacks_);
  ssh_set_channel_callbacks(channel_, &callbacks_);

  const auto open = [&] { return ssh_channel_open_session(channel_); };
  const auto exec = [&] { return ssh_channel_request_exec(channel_, shell); };
  a.enter(phase::start);
  if (s.until_done(a, open) != SSH_OK || s.until_done(a, exec) != SSH_OK) a.fail(s.error());

  // An event pumps the socket whatever state the channel is in. The functions that read a channel
  // stop to look at the socket at the end of its output, and the exit status comes after that.
  event_.reset(ssh_event_new());
  if (!event_) throw std::bad_alloc();
  ssh_event_add_session(event_.get(), s.get());
}

// All of the work that can be done without waiting, or until enough output lies here.
void pump::work() {
  do {
    feed_script();
    const int rc = ssh_event_dopoll(event_.get(), 0);
    if (rc == SSH_ERROR || ssh_is_connected(session_->get()) == 0) {
      if (!over_ && !(end_.status && eof_)) lose(session_->error());
      over_ = true;
    } else if (rc == SSH_AGAIN) {
      return;
    }
  } while (!over_ && room());
}

void pump::feed_script() {
  while (script_sent_ < script_->size()) {
    const auto piece = std::min({script_->size() - script_sent_, write_piece,
                                 std::size_t{ssh_channel_window_size(channel_)}});
    if (piece == 0 || session_->wants_write()) return;
    const int sent =
        ssh_channel_write(channel_, script_->data() + script_sent_, static_cast<uint32_t>(piece));
    if (sent < 0) script_sent_ = script_->size();  // the command does not want it
    if (sent == 0) return;
    script_sent_ += static_cast<std::size_t>(std::max(sent, 0));
  }
  if (!std::exchange(script_ended_, true)) ssh_channel_send_eof(channel_);
}

void pump::lose(std::string why) {
  end_.lost = std::move(why);
  end_told_ = false;
}

void pump::run(const weft::chan<std::string>& signals) {
  bool hung_up = false;
  bool urgent = false;    // a signal may lie in libssh's buffer: it goes out even if nobody reads
  bool writable = false;  // the last wait found the socket so
  const auto on_signal_wanted = [&](std::optional<std::string> name) {
    if (!name)
      hung_up = true;
    else if (!over_)
      urgent = ssh_channel_request_send_signal(channel_, name->c_str()) == SSH_OK;
  };
  // Waits for whatever the cases in front name, for somebody to take output, and for orders.
  const auto wait = [&](auto&&... sockets) {
    const weft::chan<std::string> nobody(nullptr);  // never ready: this case is off
    weft::select(std::forward<decltype(sockets)>(sockets)...,
                 weft::on_send(out_.empty() ? nobody : out, std::move(out_), [&] { out_.clear(); }),
                 weft::on_send(err_.empty() ? nobody : err, std::move(err_), [&] { err_.clear(); }),
                 weft::on_recv(signals, on_signal_wanted));
  };
  const auto on_readable = [] {};
  const auto on_writable = [&] { writable = true; };

  try {
    while (!hung_up) {
      if (!over_ && (room() || writable)) {
        work();
        if (std::exchange(writable, false)) urgent = false;
      }
      if (over_ && !end_.status && end_.lost.empty()) lose("the server gave no exit status");
      if ((end_.status || !end_.lost.empty()) && !std::exchange(end_told_, true)) ended.send(end_);
      if (over_ && out_.empty() && err_.empty()) break;

      // To be asked after every call: libssh writes only when it may, the rest when it is told that
      // it can. (It may also say so needlessly, so this is no reason to read on without room.)
      const bool writing = !over_ && session_->wants_write() && (room() || urgent);
      const bool reading = !over_ && room();
      const int fd = session_->fd();
      if (writing && reading)
        wait(weft::on_readable(fd, on_readable), weft::on_writable(fd, on_writable));
      else if (writing)
        wait(weft::on_writable(fd, on_writable));
      else if (reading)
        wait(weft::on_readable(fd, on_readable));
      else
        wait();
    }
  } catch (const std::exception& error) {
    ended.try_send({{}, {}, error.what()});
  }
  out.close();
  err.close();
  ended.close();
}

}  // namespace

remote_command::remote_command(std::unique_ptr<session> on,
                               std::shared_ptr<const std::string> script,
                               attempt& a) {
  auto p = std::make_unique<pump>(std::move(on), std::move(script), a);
  out_ = p->out;
  err_ = p->err;
  ended_ = p->ended;
  pump_ = weft::spawn([p = std::move(p), signals = signals_]() mutable {
    p->run(signals);
    p.reset();  // so that the connection is closed when wait() returns
  });
}

remote_command::~remote_command() {
  const weft::exit_guard finish;  // the goroutine ends soon, and this must not throw
  hang_up();
  pump_.wait();
}

void remote_command::signal(const std::string& name) { signals_.try_send(name); }

void remote_command::hang_up() {
  if (!signals_.closed()) signals_.close();
}

}  // namespace ssh_runner
