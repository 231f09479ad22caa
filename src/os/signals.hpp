// What the deadlock rule asks of signals.
#pragma once

namespace weft::detail {

// While one is open, a signal may come and wake somebody.
bool any_signal_channel() noexcept;

}  // namespace weft::detail
