// What the sanitizers and Valgrind have to be told. Everything here is empty in a plain build.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_THREAD__)
#define WEFT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEFT_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define WEFT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEFT_ASAN 1
#endif
#endif
#ifndef WEFT_TSAN
#define WEFT_TSAN 0
#endif
#ifndef WEFT_ASAN
#define WEFT_ASAN 0
#endif

// For tests: each switch moves a goroutine to another worker. See src/sched/migration.cpp.
#ifndef WEFT_FORCE_MIGRATION
#define WEFT_FORCE_MIGRATION 0
#endif

#if WEFT_TSAN
#include <sanitizer/tsan_interface.h>
extern "C" {
void AnnotateIgnoreReadsBegin(const char*, int);
void AnnotateIgnoreReadsEnd(const char*, int);
void AnnotateIgnoreWritesBegin(const char*, int);
void AnnotateIgnoreWritesEnd(const char*, int);
void AnnotateIgnoreSyncBegin(const char*, int);
void AnnotateIgnoreSyncEnd(const char*, int);
void AnnotateBenignRaceSized(const char*, int, const volatile void*, unsigned long, const char*);
}
#endif
#if WEFT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

namespace weft::detail {

// Newer system calls are not tried there: Valgrind tells at length what it does not know.
inline bool on_valgrind() noexcept {
#ifdef RUNNING_ON_VALGRIND
  return RUNNING_ON_VALGRIND != 0;
#else
  return false;
#endif
}

// The scheduler's own synchronisation would order the users' goroutines and hide their races from
// ThreadSanitizer, so inside of it TSan looks away. What a user may rely on is said explicitly, by
// order_before and order_after: spawn to run, wake to resume, end to join.
// Nests; begin and end must fall into the same fibre.
class tsan_blind {
 public:
#if WEFT_TSAN
  tsan_blind() noexcept { begin(); }
  ~tsan_blind() { end(); }
  static void begin() noexcept {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
  }
  static void end() noexcept {
    AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
#else
  tsan_blind() noexcept {}
  ~tsan_blind() {}
  static void begin() noexcept {}
  static void end() noexcept {}
#endif
  tsan_blind(const tsan_blind&) = delete;
  tsan_blind& operator=(const tsan_blind&) = delete;
};

inline void order_before([[maybe_unused]] void* address) noexcept {
#if WEFT_TSAN
  __tsan_release(address);
#endif
}
inline void order_after([[maybe_unused]] void* address) noexcept {
#if WEFT_TSAN
  __tsan_acquire(address);
#endif
}

}  // namespace weft::detail
