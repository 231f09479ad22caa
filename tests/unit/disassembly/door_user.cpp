#include "door.hpp"

int uses_door() { return weft::detail::stands_and_is_called(); }
