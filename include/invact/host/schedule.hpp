// How the work of a host call is cut into tasks, and the loop that runs them.
#pragma once

#include <invact/host/build.hpp>

INVACT_NAMESPACE_BEGIN

INVACT_HOST_NAMESPACE_BEGIN
namespace detail {

// Elements of a task: some 50 us of work, an order above the cost of waking a team of threads. A
// multiple of every block size, so that tasks of one row share no mask byte.
inline constexpr int64 task_size = 16384;

constexpr int64 ceil_div(int64 a, int64 b) { return a / b + (a % b != 0 ? 1 : 0); }

// Tasks that cover a matrix: whole rows together while they are short, pieces of a row when long.
struct task_grid {
  int64 rows;  // of the matrix
  int64 cols;
  int64 rows_a_task;
  int64 tasks_a_row;
  int64 count;

  constexpr task_grid(int64 r, int64 c)
      : rows(r),
        cols(c),
        rows_a_task(c <= 0 || c >= task_size ? 1 : task_size / c),
        tasks_a_row(ceil_div(c, task_size)),
        count(ceil_div(r, rows_a_task) * tasks_a_row) {}

  // run(row, first column, columns) for each row that task t touches.
  template <class Run>
  void run_task(int64 t, const Run& run) const {
    const int64 first_row = t / tasks_a_row * rows_a_task;
    const int64 end_row = rows - first_row < rows_a_task ? rows : first_row + rows_a_task;
    const int64 first_col = t % tasks_a_row * task_size;
    const int64 count_cols = cols - first_col < task_size ? cols - first_col : task_size;
    for (int64 r = first_row; r < end_row; ++r) run(r, first_col, count_cols);
  }
};

// task(0) ... task(count - 1), in parallel where the translation unit is compiled with OpenMP. Tasks
// must not throw.
template <class Task>
void run_tasks(int64 count, const Task& task) {
#if defined(_OPENMP)
#pragma omp parallel for schedule(static) if (count > 1)
#endif
  for (int64 t = 0; t < count; ++t) task(t);
}

}  // namespace detail
INVACT_HOST_NAMESPACE_END

INVACT_NAMESPACE_END
