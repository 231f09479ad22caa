// weft: goroutines, channels and select for C++20. This header includes all of it.
#pragma once

#include <weft/chan.hpp>
#include <weft/context.hpp>
#include <weft/go.hpp>
#include <weft/io.hpp>
#include <weft/runtime.hpp>
#include <weft/select.hpp>
#include <weft/sync.hpp>
#include <weft/task_group.hpp>
#include <weft/time.hpp>
