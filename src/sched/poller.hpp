// What the scheduler knows of descriptors: three calls, implemented in src/io and installed by
// src/runtime, since lower layers do not include higher ones.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::detail {

class poller {
 public:
  virtual ~poller() = default;
  // Readies who waits for descriptors that are ready; until then waits, but not past the point in
  // steady nanoseconds (INT64_MIN: not at all). Any thread may poll without waiting; only the
  // watcher waits.
  virtual void poll(std::int64_t until) noexcept = 0;
  // Makes a poll that waits, or the next one, return.
  virtual void interrupt() noexcept = 0;
  // How many wait for descriptors.
  virtual std::size_t waiting() const noexcept = 0;
};

}  // namespace weft::detail
