// Fan-in: several channels are merged into one. The merged channel is closed when the last of its
// inputs has ended, which a wait group tells.
#include <weft/weft.hpp>

#include <algorithm>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

weft::recv_chan<std::string> speak(std::string name, int times) {
  weft::chan<std::string> words;
  weft::go([=] {
    for (int i = 1; i <= times; ++i) {
      words.send(name + ' ' + std::to_string(i));
    }
    words.close();
  });
  return words;
}

weft::recv_chan<std::string> merge(std::vector<weft::recv_chan<std::string>> inputs) {
  weft::chan<std::string> merged;
  weft::go([=] {
    weft::wait_group open;
    for (const auto& input : inputs) {
      open.go([=] {
        for (std::string& word : input) {
          merged.send(std::move(word));
        }
      });
    }
    open.wait();
    merged.close();
  });
  return merged;
}

int main() {
  weft::run([] {
    std::vector<std::string> heard;
    for (std::string& word : merge({speak("anna", 3), speak("bert", 2), speak("carla", 3)})) {
      heard.push_back(std::move(word));
    }
    std::ranges::sort(heard);  // who came first is a matter of luck
    for (const std::string& word : heard) {
      std::cout << word << '\n';
    }
  });
}
