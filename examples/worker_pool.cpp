// A worker pool: three goroutines take jobs from one channel, each the next as soon as it is free,
// and put the answers into another. Closing the jobs ends the pool.
#include <weft/weft.hpp>

#include <iostream>
#include <map>

struct answer {
  int job;
  int steps;
};

// How many steps n takes to reach 1, when it is halved if even, else tripled plus one.
int collatz_steps(int n) {
  int steps = 0;
  for (long long v = n; v != 1; ++steps) {
    v = v % 2 == 0 ? v / 2 : 3 * v + 1;
  }
  return steps;
}

int main() {
  weft::run([] {
    constexpr int first = 20, count = 8;
    weft::chan<int> jobs(count);
    weft::chan<answer> answers(count);
    for (int i = 0; i < 3; ++i) {
      weft::go([=] {
        for (int n : jobs) {
          answers.send({n, collatz_steps(n)});
        }
      });
    }

    for (int i = 0; i < count; ++i) {
      jobs.send(first + i);
    }
    jobs.close();

    std::map<int, int> steps;  // sorts the answers, which come in any order
    for (int i = 0; i < count; ++i) {
      const answer a = *answers.recv();
      steps[a.job] = a.steps;
    }
    for (auto [n, taken] : steps) {
      std::cout << n << " takes " << taken << " steps\n";
    }
  });
}
