// What the tests of descriptors share.
#pragma once

#include <weft/weft.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace weft_test {


// What f's std::system_error says; no error: 0.
template <class F>
std::errc failure(F f) {
  try {
    f();
  } catch (const std::system_error& e) {
    for (std::errc c : {std::errc::timed_out, std::errc::bad_file_descriptor,
                        std::errc::broken_pipe, std::errc::message_size,
                        std::errc::no_such_file_or_directory,
                        std::errc::operation_canceled}) {
      if (e.code() == c) return c;
    }
    return std::errc::not_supported;  // some other error
  }
  return std::errc{};
}

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::string read_some(weft::file_descriptor& from, std::size_t at_most = 64) {
  std::vector<std::byte> buffer(at_most);
  return text_of(std::span(buffer).first(from.read(buffer)));
}
inline std::string read_some(weft::file_descriptor& from, weft::wait_limit limit) {
  std::vector<std::byte> buffer(64);
  return text_of(std::span(buffer).first(from.read(buffer, limit)));
}

}  // namespace weft_test
