// A password or passphrase: nothing prints it by accident.
#pragma once

#include <string.h>

#include <string>
#include <utility>

namespace ssh_runner {

// There is no operator<< and no conversion: who needs the text says reveal(). The memory is
// overwritten in the end.
class secret {
 public:
  secret() = default;
  explicit secret(std::string text) : text_(std::move(text)) {}
  secret(const secret&) = default;
  secret& operator=(const secret&) = default;
  secret(secret&& other) noexcept : text_(other.text_) { other.wipe(); }
  secret& operator=(secret&& other) noexcept {
    std::swap(text_, other.text_);
    return *this;
  }
  ~secret() { wipe(); }

  const std::string& reveal() const { return text_; }
  friend bool operator==(const secret&, const secret&) = default;

 private:
  void wipe() noexcept {
    ::explicit_bzero(text_.data(), text_.size());
    text_.clear();
  }
  std::string text_;
};

}  // namespace ssh_runner
