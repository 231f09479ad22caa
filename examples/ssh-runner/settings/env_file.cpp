#include "settings/env_file.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <string_view>

#include "settings/usage_error.hpp"

namespace ssh_runner {
namespace {

constexpr std::string_view capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
constexpr std::string_view name_characters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.";

using variables = std::vector<std::pair<std::string, std::string>>;

class env_reader {
 public:
  env_reader(std::string text, const std::string& file) : text_(std::move(text)), file_(file) {}

  variables read() {
    for (; skip_to_word(); read_entry()) {
    }
    return std::move(found_);
  }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    const auto line =
        1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(at_), '\n');
    throw usage_error(file_ + ':' + std::to_string(line) + ": " + why);
  }
  bool more() const { return at_ < text_.size(); }
  char next() const { return text_[at_]; }
  void skip(std::string_view these) {
    at_ = std::min(text_.find_first_not_of(these, at_), text_.size());
  }
  void skip_line() { at_ = std::min(text_.find('\n', at_), text_.size()); }

  bool skip_to_word() {
    for (skip(" \t\r\n"); more() && next() == '#'; skip(" \t\r\n")) skip_line();
    return more();
  }

  void read_entry() {
    constexpr std::string_view word = "export";
    if (text_.compare(at_, word.size(), word) == 0 &&
        text_.find_first_of(" \t", at_) == at_ + word.size()) {
      at_ += word.size();
      skip(" \t");
    }
    const auto end = std::min(text_.find_first_of("=:\n", at_), text_.size());
    std::string name = text_.substr(at_, end - at_);
    name.erase(name.find_last_not_of(" \t\r") + 1);
    // The line is not shown: it may be a part of a secret.
    if (end == text_.size() || text_[end] == '\n' ||
        name.find_first_not_of(name_characters) != name.npos || name.empty())
      refuse("NAME=value is expected");
    at_ = end + 1;
    skip(" \t");
    std::string value = read_value();
    found_.emplace_back(std::move(name), std::move(value));
  }

  std::string read_value() {
    if (!more()) return {};
    if (const char quote = next(); quote == '\'' || quote == '"') return read_quoted(quote);
    const auto begin = at_;
    skip_line();
    std::string value = text_.substr(begin, at_ - begin);
    // As godotenv has it, the last '#' after a blank begins the comment.
    for (auto at = value.rfind('#'); at != value.npos && at > 0; at = value.rfind('#', at - 1)) {
      if (value[at - 1] != ' ' && value[at - 1] != '\t') continue;
      value.resize(at);
      break;
    }
    value.erase(value.find_last_not_of(" \t\r") + 1);
    return with_variables(value, false);
  }

  std::string read_quoted(char quote) {
    std::string value;
    for (++at_; more() && next() != quote; ++at_) {
      // A quote after a backslash ends nothing, in single quotes either, where both are kept.
      if (next() == '\\' && at_ + 1 < text_.size() && (quote == '"' || text_[at_ + 1] == quote))
        value += next(), ++at_;
      value += next();
    }
    if (!more()) refuse("a quote is not closed");
    ++at_;
    skip_line();
    return quote == '"' ? with_variables(value, true) : value;
  }

  // What a dollar stands for, and a backslash: without quotes only one before a dollar is something.
  std::string with_variables(const std::string& text, bool quoted) const {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const bool last = i + 1 == text.size();
      if (text[i] == '\\' && !last && (quoted || text[i + 1] == '$')) {
        const char c = text[++i];
        result += c == 'n' ? '\n' : c == 'r' ? '\r' : c;
      } else if (text[i] == '$' && !last) {
        // Names in capitals only: a password may have a dollar in it.
        const bool braces = text[i + 1] == '{';
        const auto begin = i + (braces ? 2 : 1);
        auto end = std::min(text.find_first_not_of(capitals, begin), text.size());
        if (end == begin) {
          result += '$';
          continue;
        }
        result += value_of(text.substr(begin, end - begin));
        if (end < text.size() && text[end] == '}')
          ++end;  // godotenv does not ask for the first one
        i = end - 1;
      } else {
        result += text[i];
      }
    }
    return result;
  }

  std::string value_of(const std::string& name) const {
    for (auto i = found_.rbegin(); i != found_.rend(); ++i)
      if (i->first == name) return i->second;
    return {};
  }

  std::string text_;
  const std::string& file_;
  std::size_t at_ = 0;
  variables found_;
};

}  // namespace

variables parse_env_file(std::istream& text, const std::string& name) {
  return env_reader({std::istreambuf_iterator<char>(text), {}}, name).read();
}

void read_env_file(const std::string& file, bool over) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return;
  std::map<std::string, std::string> last;  // what stands last in the file counts
  for (auto& [name, value] : parse_env_file(in, file)) last[name] = std::move(value);
  for (const auto& [name, value] : last) ::setenv(name.c_str(), value.c_str(), over ? 1 : 0);
}

}  // namespace ssh_runner
