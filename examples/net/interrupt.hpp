// How these programs are stopped: a context that SIGINT (Ctrl-C) or SIGTERM cancels. Every call that
// waits takes it as its limit, so a signal reaches each wait of the program, and nothing is torn off.
#pragma once

#include <csignal>
#include <utility>

#include <weft/weft.hpp>

// The context's cancel_function goes with the goroutine, which waits for signals as long as main runs.
inline weft::context until_interrupted() {
  auto [ctx, cancel] = weft::with_cancel(weft::background());
  weft::go([signals = weft::notify_signals({SIGINT, SIGTERM}), cancel = std::move(cancel)] {
    if (signals.recv()) cancel();
    weft::stop_signals(signals);  // a second one ends the program at once, as usual
  });
  return ctx;
}
