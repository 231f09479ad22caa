#include "run/ssh_command.hpp"

#include <libssh/callbacks.h>

#include <algorithm>
#include <array>
#include <new>
#include <string_view>
#include <utility>

#include "run/signal_channel.hpp"
#include "run/signal_names.hpp"
#include "script/dialog.hpp"

namespace ssh_runner {
namespace {

using time_point = weft::clock::time_point;

constexpr std::size_t read_ahead = 32 << 10;  // output held here while nobody takes it
constexpr std::size_t write_piece = 32 << 10;
// So long a signal may take to end the command, before it is tried another way.
constexpr auto signal_patience = std::chrono::milliseconds(500);

class pump {
 public:
  pump(std::unique_ptr<session> on, launch what, ssh_command_rules rules, attempt& a)
      : session_(std::move(on)),
        rules_(std::move(rules)),
        alive_(session_->get(), rules_.keep_alive),
        dialog_(what) {
    start(what, a);
  }
  pump(const pump&) = delete;
  pump& operator=(const pump&) = delete;
  ~pump() {
    signals_.clear();  // before the session
  }

  void run(const weft::recv_chan<std::string>& orders);

  weft::chan<void> begun;
  weft::chan<std::string> out, err;
  weft::chan<command_end> ended{2};  // two may come, so that no send waits

 private:
  void start(const launch& what, attempt& a);
  void work();
  void feed();
  bool room() const { return out_.size() + err_.size() < read_ahead; }
  void wait(const weft::recv_chan<std::string>& orders);
  void order(const std::string& signal);
  void signal_elsewhere();
  void tell_end();

  void lose(std::string why) {
    end_.lost = std::move(why);
    end_told_ = false;
    over_ = true;
  }
  void take(std::string_view bytes, bool is_err) {
    std::string& to = is_err ? err_ : out_;
    if (is_err != dialog_.is_on_stdout())
      dialog_.read(bytes, to);
    else
      to.append(bytes);
  }

  // Called by libssh from within its other calls; they must not wait.
  static int on_data(ssh_session, ssh_channel, void* data, uint32_t size, int is_err,
                     void* self) noexcept {
    static_cast<pump*>(self)->take({static_cast<const char*>(data), size}, is_err != 0);
    return static_cast<int>(size);
  }
  static void on_eof(ssh_session, ssh_channel, void* self) noexcept {
    auto& p = *static_cast<pump*>(self);
    p.eof_ = true;
    p.dialog_.finish(p.dialog_.is_on_stdout() ? p.out_ : p.err_);
  }
  static void on_close(ssh_session, ssh_channel, void* self) noexcept {
    static_cast<pump*>(self)->over_ = true;
  }
  static void on_status(ssh_session, ssh_channel, int status, void* self) noexcept {
    static_cast<pump*>(self)->end_.status = status;
  }
  static void on_signal(ssh_session, ssh_channel, const char* name, int, const char*, const char*,
                        void* self) noexcept {
    auto& end = static_cast<pump*>(self)->end_;
    end.status = 128 + signal_number(name);
    end.signal = name;
  }

  std::unique_ptr<session> session_;
  ssh_command_rules rules_;
  keep_alive alive_;
  event_ptr event_;
  ssh_channel channel_ = nullptr;  // the session owns it
  ssh_channel_callbacks_struct callbacks_{};

  dialog dialog_;
  bool input_ended_ = false;
  std::string out_, err_;  // received and not passed on yet
  command_end end_;
  bool end_told_ = false;
  bool eof_ = false;
  bool over_ = false;  // the session has nothing more for us

  std::string wanted_signal_;  // not known to have had an effect
  time_point escalate_at_ = time_point::max();
  bool awaits_pid_ = false;
  std::vector<std::unique_ptr<signal_channel>> signals_;
  bool hung_up_ = false;
  bool urgent_ = false;    // a signal may lie in libssh's buffer: it goes out even if nobody reads
  bool writable_ = false;  // the last wait found the socket so
};

void pump::start(const launch& what, attempt& a) {
  session& s = *session_;
  a.enter(phase::start);
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
  const auto terminal = [&] { return ssh_channel_request_pty_size(channel_, "xterm", 80, 24); };
  const auto exec = [&] { return ssh_channel_request_exec(channel_, what.command.c_str()); };
  if (s.until_done(a, open) != SSH_OK)
    a.fail(s.refused() ? "the server refuses a session: " + s.refusal() : s.error());
  if (what.pty && s.until_done(a, terminal) != SSH_OK)
    a.fail(s.refused() ? "the server refuses a terminal" : s.error());
  if (s.until_done(a, exec) != SSH_OK)
    a.fail(s.refused() ? "the server refuses to run a command" : s.error());

  // An event pumps the socket whatever state the channel is in. The functions that read a channel
  // stop to look at the socket at the end of its output, and the exit status comes after that.
  event_.reset(ssh_event_new());
  if (!event_) throw std::bad_alloc();
  ssh_event_add_session(event_.get(), s.get());
}

// All of the work that can be done without waiting, or until enough output lies here.
void pump::work() {
  do {
    feed();
    for (const auto& s : signals_) s->step();
    session::forget_errno();
    const int rc = ssh_event_dopoll(event_.get(), 0);
    if (rc == SSH_ERROR || ssh_is_connected(session_->get()) == 0) {
      if (!over_ && !(end_.status && eof_)) lose(session_->error());
      over_ = true;
    } else if (rc == SSH_AGAIN) {
      return;
    }
  } while (!over_ && room());
}

void pump::feed() {
  while (!dialog_.to_send().empty()) {
    const std::string_view bytes = dialog_.to_send();
    const auto piece = std::min(
        {bytes.size(), write_piece, std::size_t{ssh_channel_window_size(channel_)}});
    if (piece == 0 || session_->wants_write()) return;
    const int sent = ssh_channel_write(channel_, bytes.data(), static_cast<uint32_t>(piece));
    if (sent == 0) return;
    // Less than 0: the command does not want it.
    dialog_.sent(sent < 0 ? bytes.size() : static_cast<std::size_t>(sent));
  }
  if (dialog_.at_end() && dialog_.closes_input() && !std::exchange(input_ended_, true))
    ssh_channel_send_eof(channel_);
}

void pump::order(const std::string& signal) {
  if (over_) return;
  wanted_signal_ = signal;
  if (!rules_.signals_fall_short)
    urgent_ = ssh_channel_request_send_signal(channel_, signal.c_str()) == SSH_OK;
  const bool at_once = rules_.signals_fall_short || signal == "KILL";
  escalate_at_ = weft::clock::now() + (at_once ? std::chrono::milliseconds(0) : signal_patience);
}

void pump::signal_elsewhere() {
  // Without its number there is nobody to signal; it may be about to come with the greeting.
  awaits_pid_ = !dialog_.pid();
  escalate_at_ = time_point::max();
  if (over_ || end_.status || awaits_pid_) return;
  signals_.push_back(std::make_unique<signal_channel>(
      session_->get(), rules_.signal_command(wanted_signal_, *dialog_.pid())));
  signals_.back()->step();
  urgent_ = true;
}

void pump::tell_end() {
  if (!dialog_.problem().empty() && end_.problem.empty()) {
    end_.problem = dialog_.problem();
    over_ = true;
  }
  if (over_ && !end_.status && end_.lost.empty() && end_.problem.empty())
    lose("the server gave no exit status");
  if ((end_.status || !end_.lost.empty() || !end_.problem.empty()) && !std::exchange(end_told_, true))
    ended.send(end_);
}

// Waits for the socket, for somebody to take output, for orders and for what is to be done in time.
void pump::wait(const weft::recv_chan<std::string>& orders) {
  // libssh writes only when it may, the rest when it is told that it can: to be asked after every
  // call. (It may also say so needlessly, so this is no reason to read on without room.)
  const bool reading = !over_ && room();
  const bool writing = !over_ && session_->wants_write() && (room() || urgent_);
  const int fd = session_->fd();
  const weft::chan<std::string> nobody(nullptr);  // never ready: this case is off
  const auto select_with = [&](auto&&... sockets) {
    weft::select(
        std::forward<decltype(sockets)>(sockets)...,
        weft::on_send(out_.empty() ? nobody : out, std::move(out_), [&] { out_.clear(); }),
        weft::on_send(err_.empty() ? nobody : err, std::move(err_), [&] { err_.clear(); }),
        weft::on_recv(orders, [&](std::optional<std::string> name) {
          if (name)
            order(*name);
          else
            hung_up_ = true;
        }),
        weft::on_timeout(std::min(alive_.next(), escalate_at_), [] {}));
  };
  const auto on_readable = [] {};
  const auto on_writable = [&] { writable_ = true; };
  if (writing && reading)
    select_with(weft::on_readable(fd, on_readable), weft::on_writable(fd, on_writable));
  else if (writing)
    select_with(weft::on_writable(fd, on_writable));
  else if (reading)
    select_with(weft::on_readable(fd, on_readable));
  else
    select_with();
}

void pump::run(const weft::recv_chan<std::string>& orders) {
  try {
    while (!hung_up_) {
      if (!over_ && (room() || writable_)) {
        work();
        if (std::exchange(writable_, false)) urgent_ = false;
      }
      if (dialog_.has_greeted() && !begun.closed()) begun.close();
      if (!over_ && !alive_.check(room())) lose(alive_.problem());
      if (weft::clock::now() >= escalate_at_ || (awaits_pid_ && dialog_.pid())) signal_elsewhere();
      tell_end();
      if (over_ && out_.empty() && err_.empty()) break;
      wait(orders);
    }
  } catch (const std::exception& error) {
    ended.try_send({{}, {}, error.what(), {}});
  }
  out.close();
  err.close();
  ended.close();
}

}  // namespace

std::unique_ptr<running_command> start_ssh_command(std::unique_ptr<session> on, launch what,
                                                   ssh_command_rules rules, attempt& a) {
  auto p = std::make_unique<pump>(std::move(on), std::move(what), std::move(rules), a);
  auto command = std::make_unique<running_command>();
  command->begun = p->begun;
  command->out = p->out;
  command->err = p->err;
  command->ended = p->ended;
  command->run_behind([p = std::move(p), orders = command->orders()]() mutable {
    p->run(orders);
    p.reset();  // so that the connection is closed when the command's destructor returns
  });
  return command;
}

}  // namespace ssh_runner
