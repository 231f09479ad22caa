#include "door.hpp"

namespace weft::detail {

static thread_local int value = 0;

int stands_and_is_called() noexcept { return value; }
int* never_called(int) noexcept { return &value; }

}  // namespace weft::detail
