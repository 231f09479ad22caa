#pragma once

// Functions that the optimiser must not look into.
#if defined(__clang__)
#define WEFT_TEST_OPAQUE [[gnu::noinline, clang::optnone]]
#define WEFT_TEST_NO_TSAN [[clang::no_sanitize("thread")]]
#define WEFT_TEST_NO_ASAN [[clang::no_sanitize("address")]]
#else
#define WEFT_TEST_OPAQUE [[gnu::noipa]]
#define WEFT_TEST_NO_TSAN [[gnu::no_sanitize("thread")]]
#define WEFT_TEST_NO_ASAN [[gnu::no_sanitize("address")]]
#endif
