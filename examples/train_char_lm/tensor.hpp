// Tensors, and the memory that they live in, counted as it is handed out.
//
// Every tensor of a network, saved or passing, comes from one counting_resource. What it holds when a
// backward pass begins is therefore what the backward needs: a buffer kept by mistake would show up in
// the table, which a formula would not.
//
// Nothing here reads or writes a tensor's elements, so that the same classes serve memory of the host and
// of a GPU: the resource below the counting one decides.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory_resource>
#include <utility>

namespace char_lm {

using index = std::ptrdiff_t;

// Passes requests on and counts the bytes that are live.
class counting_resource : public std::pmr::memory_resource {
 public:
  explicit counting_resource(std::pmr::memory_resource& upstream) : upstream_(upstream) {}

  std::size_t live() const { return live_; }
  std::size_t peak() const { return peak_; }

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    void* const p = upstream_.allocate(bytes, alignment);
    live_ += bytes;
    peak_ = std::max(peak_, live_);
    return p;
  }
  void do_deallocate(void* p, std::size_t bytes, std::size_t alignment) override {
    upstream_.deallocate(p, bytes, alignment);
    live_ -= bytes;
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    return this == &other;
  }

  std::pmr::memory_resource& upstream_;
  std::size_t live_ = 0;
  std::size_t peak_ = 0;
};

// A row-major matrix of T that owns its memory. Move-only, so that a saved tensor exists once.
template <class T>
class tensor {
 public:
  tensor() = default;
  tensor(index rows, index cols, std::pmr::memory_resource& memory)
      : memory_(&memory),
        rows_(rows),
        cols_(cols),
        data_(static_cast<T*>(memory.allocate(bytes(), alignment))) {}
  tensor(tensor&& other) noexcept { swap(other); }
  tensor& operator=(tensor&& other) noexcept {
    tensor taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~tensor() {
    if (data_ != nullptr) memory_->deallocate(data_, bytes(), alignment);
  }

  index rows() const { return rows_; }
  index cols() const { return cols_; }
  index size() const { return rows_ * cols_; }
  std::size_t bytes() const { return static_cast<std::size_t>(size()) * sizeof(T); }
  T* data() { return data_; }
  const T* data() const { return data_; }
  std::pmr::memory_resource& memory() const { return *memory_; }

 private:
  static constexpr std::size_t alignment = 64;

  void swap(tensor& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(rows_, other.rows_);
    std::swap(cols_, other.cols_);
    std::swap(data_, other.data_);
  }

  std::pmr::memory_resource* memory_ = nullptr;
  index rows_ = 0;
  index cols_ = 0;
  T* data_ = nullptr;
};

}  // namespace char_lm
