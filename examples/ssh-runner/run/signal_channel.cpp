#include "run/signal_channel.hpp"

#include <new>
#include <utility>

namespace ssh_runner {

signal_channel::signal_channel(ssh_session session, launch what)
    : what_(std::move(what)), channel_(ssh_channel_new(session)) {
  if (channel_ == nullptr) throw std::bad_alloc();
}

signal_channel::~signal_channel() { ssh_channel_free(channel_); }

void signal_channel::step() {
  if (stage_ == stage::opening) {
    const int rc = ssh_channel_open_session(channel_);
    if (rc == SSH_AGAIN) return;
    stage_ = rc == SSH_OK ? stage::starting : stage::done;  // refused: nothing more can be done
  }
  if (stage_ == stage::starting) {
    const int rc = ssh_channel_request_exec(channel_, what_.command.c_str());
    if (rc == SSH_AGAIN) return;
    stage_ = rc == SSH_OK ? stage::sending : stage::done;
  }
  if (stage_ == stage::sending) {
    if (!what_.before.empty())
      ssh_channel_write(channel_, what_.before.data(), static_cast<uint32_t>(what_.before.size()));
    ssh_channel_send_eof(channel_);
    stage_ = stage::done;
  }
}

}  // namespace ssh_runner
