// As much of the kernel as the poller uses: numbers of descriptors that name open files, which are
// readable or not, registered for one event or for edges, one epoll instance and one eventfd. The linker gives the poller these calls for
// the system's (--wrap).
#pragma once

#include "model/explorer.hpp"

namespace weft_model {

class kernel {
 public:
  kernel();  // fresh; the calls below and the poller's go to the last one made
  // A number of a new file, which is not readable.
  void open(int number);
  void close(int number);
  void make_readable(int number);
  void read_all(int number);
  bool is_readable(int number) const;
};

}  // namespace weft_model
