// Sockets: TCP, UDP and those of Unix; addresses and names.
//
//   weft::tcp_listener listener("", 7000);
//   for (;;) {
//     weft::go([stream = listener.accept()]() mutable {
//       std::array<std::byte, 4096> buffer;
//       while (std::size_t n = stream.read(buffer)) stream.write(std::span(buffer).first(n));
//     });
//   }
//
// What waits takes a wait_limit last. Failures are std::system_error; the message names the operation
// and the address or path. std::errc::timed_out at the limit, operation_canceled when its context is
// cancelled, bad_file_descriptor when closed before or meanwhile, broken_pipe when the other end is
// gone: never SIGPIPE. Sockets are close-on-exec, non-blocking and move-only.
#pragma once

#include <weft/net/address.hpp>
#include <weft/net/resolve.hpp>
#include <weft/net/tcp.hpp>
#include <weft/net/udp.hpp>
#include <weft/net/unix.hpp>
