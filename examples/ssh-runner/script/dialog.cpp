#include "script/dialog.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace ssh_runner {
namespace {

// How much at the end of `text` could be the beginning of `mark`.
std::size_t begun(std::string_view text, std::string_view mark) {
  for (std::size_t n = std::min(text.size(), mark.size() - 1); n > 0; --n)
    if (text.ends_with(mark.substr(0, n))) return n;
  return 0;
}

}  // namespace

dialog::dialog(launch what)
    : launch_(std::move(what)),
      pieces_{launch_.before, *launch_.script, launch_.after},
      may_send_(!launch_.waits_for_greeting) {
  sent(0);
}

void dialog::read(std::string_view bytes, std::string& to) {
  if (greeted_) {
    to.append(bytes);
    return;
  }
  held_.append(bytes);
  while (!greeted_) {
    skip_line_end();
    const auto at = held_.find(launch_.mark);
    const auto keep = at != std::string::npos ? held_.size() - at : begun(held_, launch_.mark);
    to.append(held_, 0, held_.size() - keep);
    held_.erase(0, held_.size() - keep);
    if (at == std::string::npos || !take_ours()) return;
  }
  finish(to);
}

void dialog::skip_line_end() {
  if (!skip_line_end_ || held_.empty() || held_ == "\r") return;
  skip_line_end_ = false;
  if (held_.starts_with("\r\n"))
    held_.erase(0, 2);
  else if (held_.starts_with('\n'))
    held_.erase(0, 1);
}

bool dialog::take_ours() {
  const std::size_t mark = launch_.mark.size();
  if (held_.size() == mark) return false;
  if (held_[mark] == '?') {
    held_.erase(0, mark + 1);
    skip_line_end_ = true;
    ask_password();
    return true;
  }
  const auto end = held_.find('\n', mark);
  if (end == std::string::npos) return false;
  int number = 0;
  const auto [rest, error] = std::from_chars(held_.data() + mark + 1, held_.data() + end, number);
  if (error == std::errc{} && number > 1) pid_ = number;
  held_.erase(0, end + 1);
  greeted_ = may_send_ = true;
  return true;
}

void dialog::ask_password() {
  if (!launch_.sudo_password)
    problem_ = "sudo wants a password";
  else if (std::exchange(asked_, true))
    problem_ = "sudo does not accept the password";
  else
    password_ = launch_.sudo_password->reveal() + '\n';
}

std::string_view dialog::to_send() const {
  if (!password_.empty()) return password_;
  return may_send_ && piece_ < pieces_.size() ? pieces_[piece_] : std::string_view{};
}

void dialog::sent(std::size_t bytes) {
  if (!password_.empty()) {
    password_.erase(0, bytes);
    return;
  }
  if (piece_ < pieces_.size()) pieces_[piece_].remove_prefix(bytes);
  while (piece_ < pieces_.size() && pieces_[piece_].empty()) ++piece_;
}

}  // namespace ssh_runner
