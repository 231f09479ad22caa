// What the parts of src/runtime share.
#pragma once

#include <exception>
#include <iosfwd>
#include <string>

#include "sched/core.hpp"
#include "sched/current.hpp"

namespace weft::detail {

// Every core that was ever started, in use or not.
runtime_core* first_core() noexcept;

// Nothing runs in any other runtime.
bool others_are_quiescent(const runtime_core&) noexcept;

// A copy of a goroutine's name; safe against its end and its renaming.
std::string name_of(const goroutine*);
// "goroutine 12 "its name"".
std::string describe(const goroutine*, std::uint64_t id);

// The process's counters that belong to no runtime.
extern std::atomic<std::size_t> abandoned_goroutines;
extern std::atomic<std::size_t> dropped_exceptions;

void report_uncaught(const options&, std::exception_ptr, std::string_view goroutine) noexcept;
void install_terminate_handler() noexcept;
void dump_to_stderr() noexcept;
// Once and for ever: handlers of SIGSEGV and SIGBUS that say whose stack was too small, and pass on
// what is none of weft's to those that were there.
void install_overflow_report() noexcept;

// While anybody asks, SIGQUIT prints the dump. Throws std::system_error.
void ask_for_dumps();
void ask_no_more() noexcept;

// Called by the watcher when its workers rest; it judges for itself whether nothing can go on. True:
// main was woken with deadlock_error.
bool check_deadlock(runtime_core&);

}  // namespace weft::detail
