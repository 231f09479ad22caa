#include "settings/option_table.hpp"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>

#include "text/duration.hpp"

namespace ssh_runner {
namespace {

// While it lives, what is typed on the terminal is not shown.
class without_echo {
 public:
  explicit without_echo(int fd) : fd_(fd) {
    tcgetattr(fd_, &before_);
    termios now = before_;
    now.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    now.c_lflag |= ECHONL;
    tcsetattr(fd_, TCSAFLUSH, &now);
  }
  without_echo(const without_echo&) = delete;
  without_echo& operator=(const without_echo&) = delete;
  ~without_echo() { tcsetattr(fd_, TCSAFLUSH, &before_); }

 private:
  int fd_;
  termios before_{};
};

secret ask_on_terminal(const std::string& prompt) {
  const int fd = ::open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (fd < 0) throw usage_error(prompt + ": there is no terminal to ask on");
  std::string line;
  {
    const without_echo quiet(fd);
    const std::string question = prompt + ": ";
    if (::write(fd, question.data(), question.size()) < 0) line.clear();
    for (char c = 0; ::read(fd, &c, 1) == 1 && c != '\n';) line += c;
  }
  ::close(fd);
  return secret(std::move(line));
}

std::string check_duration(const std::string& text) {
  return parse_duration(text) ? "" : "'" + text + "' is no duration, such as 10, 1.5s, 500ms or 2m";
}

}  // namespace

CLI::Option* option_table::text(const char* names, std::string& to, const char* type,
                                const char* help) {
  return app_.add_option(names, to, help)->type_name(type)->group(group_);
}

CLI::Option* option_table::texts(const char* names, std::vector<std::string>& to, const char* type,
                                 const char* help) {
  return app_.add_option(names, to, help)->allow_extra_args(false)->type_name(type)->group(group_);
}

CLI::Option* option_table::flag(const char* names, bool& to, const char* help) {
  return app_.add_flag(names, to, help)->group(group_);
}

CLI::Option* option_table::time(const char* names, std::optional<duration>& to, const char* help) {
  const auto set = [&to](const std::string& text) { to = parse_duration(text); };
  return app_.add_option_function<std::string>(names, set, help)
      ->check(check_duration)
      ->type_name("TIME")
      ->group(group_);
}

CLI::Option* option_table::time(const char* names, duration& to, const char* help) {
  const auto set = [&to](const std::string& text) { to = *parse_duration(text); };
  return app_.add_option_function<std::string>(names, set, help)
      ->check(check_duration)
      ->type_name("TIME")
      ->group(group_);
}

CLI::Option* option_table::secret_file(const char* names, std::optional<secret>& to,
                                       const char* help) {
  const std::string option = std::string(names).substr(0, std::string(names).find(','));
  const auto set = [&to, option](const std::string& file) {
    const std::string text = read_text_file(file, option.c_str());
    to = secret(text.substr(0, text.find_first_of("\r\n")));
  };
  return app_.add_option_function<std::string>(names, set, help)->type_name("FILE")->group(group_);
}

CLI::Option* option_table::question(const char* names, std::optional<secret>& to,
                                    const char* prompt, const char* help) {
  asked_for& q = *questions_.emplace_back(new asked_for{false, prompt, &to});
  return app_.add_flag(names, q.wanted, help)->group(group_);
}

void option_table::ask() const {
  for (const auto& q : questions_)
    if (q->wanted) *q->to = ask_on_terminal(q->prompt);
}

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
}

std::string read_text_file(const std::string& file, const char* option) {
  const auto all = [&](std::istream& in) {
    try {
      return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    } catch (const std::ios_base::failure&) {  // a directory
      throw usage_error(std::string(option) + ": cannot read " + file);
    }
  };
  if (file == "-") return all(std::cin);
  std::ifstream in(file, std::ios::binary);
  std::string text = all(in);
  if (!in.is_open() || in.bad()) throw usage_error(std::string(option) + ": cannot read " + file);
  return text;
}

}  // namespace ssh_runner
