#include "printer.hpp"

#include <mutex>

void printer::whole(const std::string& out, const std::string& err) {
  std::lock_guard guard(mutex_);
  out_.write(out);
  err_.write(err);
}

void printer::line(unsigned job, bool is_error, const std::string& text) {
  std::lock_guard guard(mutex_);
  (is_error ? err_ : out_).write(std::to_string(job) + ": " + text + "\n");
}

void printer::note(const std::string& text) {
  std::lock_guard guard(mutex_);
  err_.write("parallel: " + text + "\n");
}
