// Select: one loop listens to both outputs of a job and gives up when neither says anything for
// a second. Of the cases, the one that is ready first runs; the time-out counts anew each time.
#include <weft/weft.hpp>

#include <chrono>
#include <iostream>
#include <string>

using namespace std::chrono_literals;

int main() {
  weft::run([] {
    weft::chan<std::string> out, err;
    weft::go([=] {
      out.send("compiling");
      err.send("warning: unused variable");
      out.send("linking");
      weft::chan<void>(nullptr).recv();  // a nil channel is never ready: the job hangs
    });

    bool alive = true;
    while (alive) {
      weft::select(weft::on_recv(out, [](auto line) { std::cout << "out: " << *line << '\n'; }),
                   weft::on_recv(err, [](auto line) { std::cout << "err: " << *line << '\n'; }),
                   weft::on_timeout(1s, [&] { alive = false; }));
    }
    std::cout << "no word for a second: gave up\n";
  });
}
