// Signals: Ctrl-C ends the work in hand through a context, and the program ends in good order.
#include <weft/weft.hpp>

#include <chrono>
#include <csignal>
#include <iostream>
#include <utility>

using namespace std::chrono_literals;

// False: it was told to stop before it was done.
bool work_on(weft::context ctx, int piece) {
  bool done = false;
  weft::select(weft::on_done(ctx, [] {}), weft::on_timeout(20ms, [&] { done = true; }));
  std::cout << "piece " << piece << (done ? ": done\n" : ": stopped\n");
  return done;
}

int main() {
  weft::run([] {
    auto [ctx, cancel] = weft::with_cancel(weft::background());
    const auto signals = weft::notify_signals({SIGINT, SIGTERM});
    auto listener = weft::spawn([signals, cancel = std::move(cancel)] {
      if (signals.recv()) cancel();
      weft::stop_signals(signals);  // a second Ctrl-C has its default effect
    });

    for (int piece = 1; work_on(ctx, piece); ++piece) {
      if (piece == 2) {
        std::raise(SIGINT);  // as if somebody pressed Ctrl-C
        listener.wait();
      }
    }
  });
  std::cout << "all is put away\n";
}
