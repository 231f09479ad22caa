// Where output goes: whole pieces, one after the other.
#pragma once

#include <weft/weft.hpp>

#include <string>

class printer {
 public:
  // What one job has written, when it has ended.
  void whole(const std::string& out, const std::string& err);
  // One line of a job that runs.
  void line(unsigned job, bool is_error, const std::string& text);
  // What the program itself has to say.
  void note(const std::string& text);

 private:
  weft::mutex mutex_;
  weft::file_descriptor out_ = weft::file_descriptor::duplicate(1);
  weft::file_descriptor err_ = weft::file_descriptor::duplicate(2);
};
