// What the kinds of sockets have in common.
#pragma once

#include <sys/socket.h>

#include <string>

#include "io/descriptor_use.hpp"
#include "weft/net/address.hpp"

namespace weft::detail {

// Its number: close-on-exec, non-blocking. Throws, with `for_what` in the message.
int make_socket(int family, int type, const std::string& for_what);

// Throws with the option's name.
void set_option(file_descriptor& socket, int level, int option, int value, const char* what);

// shutdown(SHUT_WR).
void close_write_end(file_descriptor& socket, const char* what);

// Asks getsockname or getpeername.
socket_address address_of(const file_descriptor& socket,
                          int (*ask)(int, sockaddr*, socklen_t*) noexcept, const char* what);

// An IP socket bound to an address of this host; "": to all of them. `what` begins the messages.
file_descriptor make_bound_socket(std::string_view ip, std::uint16_t port, int type,
                                  const char* what);

}  // namespace weft::detail
