// A pipeline: each stage is a goroutine that receives from the one before and sends to the next.
// A stage that has seen the end of its input closes its output, so the end travels down the line.
#include <weft/weft.hpp>

#include <iostream>
#include <string>

weft::recv_chan<int> count_to(int last) {
  weft::chan<int> out;
  weft::go([=] {
    for (int n = 1; n <= last; ++n) {
      out.send(n);
    }
    out.close();
  });
  return out;
}

weft::recv_chan<int> squares(weft::recv_chan<int> in) {
  weft::chan<int> out;
  weft::go([=] {
    for (int n : in) {
      out.send(n * n);
    }
    out.close();
  });
  return out;
}

weft::recv_chan<std::string> in_words(weft::recv_chan<int> in) {
  weft::chan<std::string> out;
  weft::go([=] {
    for (int n : in) {
      out.send("square: " + std::to_string(n));
    }
    out.close();
  });
  return out;
}

int main() {
  weft::run([] {
    for (const std::string& line : in_words(squares(count_to(5)))) {
      std::cout << line << '\n';
    }
  });
}
