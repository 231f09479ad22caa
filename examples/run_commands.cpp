// Processes: a program's output and its status, input written while output is read, and a time-out
// that ends a program together with all that it has started.
#include <weft/weft.hpp>

#include <chrono>
#include <iostream>
#include <system_error>
#include <utility>

using namespace std::chrono_literals;

int main() {
  weft::run([] {
    weft::command greeting("echo", {"hello", "from a process"});
    greeting.stdout_to(weft::stdio::pipe).start();
    std::cout << greeting.stdout_pipe().read_all() << greeting.wait().to_string() << '\n';

    weft::command sort("sort", {"-n"});
    sort.stdin_from(weft::stdio::pipe).stdout_to(weft::stdio::pipe).start();
    weft::go([in = std::move(sort.stdin_pipe())]() mutable {
      for (const char* line : {"30\n", "4\n", "100\n"}) in.write(line);
    });  // in is closed here, which is the end of sort's input
    std::cout << sort.stdout_pipe().read_all();
    sort.wait();

    weft::command slow("sh", {"-c", "sleep 1000 & sleep 1000"});
    std::cout << "slow: " << slow.run(50ms).to_string() << '\n';

    try {
      weft::command("no-such-program").start();
    } catch (const std::system_error& e) {
      std::cout << e.what() << '\n';
    }
  });
}
