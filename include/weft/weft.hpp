// weft: goroutines, channels and select for C++20. This header includes all of it.
#pragma once

/// Goroutines, channels and select, as Go has them. What is in `detail` may change any day.
namespace weft {}

#include <weft/blocking.hpp>
#include <weft/chan.hpp>
#include <weft/context.hpp>
#include <weft/go.hpp>
#include <weft/goroutine_local.hpp>
#include <weft/io.hpp>
#include <weft/os.hpp>
#include <weft/runtime.hpp>
#include <weft/select.hpp>
#include <weft/sync.hpp>
#include <weft/task_group.hpp>
#include <weft/time.hpp>
