// From names to addresses.
#pragma once

#include <string>
#include <system_error>
#include <vector>

#include <weft/io.hpp>
#include <weft/net/address.hpp>

namespace weft {

/// Of the errors of look-ups: values are getaddrinfo's (EAI_NONAME, EAI_AGAIN, ...), messages
/// gai_strerror's. `e.code() == std::error_code(EAI_NONAME, weft::resolve_category())`
const std::error_category& resolve_category() noexcept;

/// The addresses of a host, in the order in which they are to be tried (getaddrinfo's), each once.
/// `service`: a port's number, a name such as "https", or "" for port 0. An empty host is this one.
///
/// Numbers are not looked up and cost a microsecond. Names are, on a thread of blocking(): the call
/// waits for it no longer than its limit. A look-up that is stuck goes on there, since nothing can
/// interrupt it, and what it finds is dropped.
/// @throws std::system_error with a code of resolve_category(), or with the system's (generic) error
///         where the look-up gives EAI_SYSTEM; timed_out, operation_canceled.
std::vector<socket_address> resolve(std::string host, std::string service, wait_limit limit = {});

}  // namespace weft
