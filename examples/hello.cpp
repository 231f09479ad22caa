// Hello: `run` starts the runtime and runs its function as the main goroutine. `spawn` starts
// another one and gives a handle to wait for it.
#include <weft/weft.hpp>

#include <iostream>

int main() {
  weft::run([] {
    auto greeter = weft::spawn([] { std::cout << "hello from a goroutine\n"; });
    greeter.wait();
    std::cout << "hello from main\n";
  });
}
