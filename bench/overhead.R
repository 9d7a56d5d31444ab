# overhead.R: what the R package costs beside the work: the time of a call on a 10 x 4 matrix beside colMeans(), and the
# peak of memory of bn_forward() on a matrix of 1 GB beyond its input and result. From the project's root:
#   make r-package && R CMD INSTALL build/r/bnorm_*.tar.gz && Rscript bench/overhead.R [memory]
library(bnorm)

x <- matrix(rnorm(40), 10)
call_time <- function(f, n = 20000) {
  f(n)
  median(replicate(9, system.time(f(n))[["elapsed"]])) / n * 1e6
}
means <- call_time(function(n) for (i in seq_len(n)) colMeans(x))
forward <- call_time(function(n) for (i in seq_len(n)) bn_forward(x))
cat(sprintf("10 x 4: colMeans %.2f us, bn_forward %.2f us, ratio %.2f (at most 3)\n", means, forward,
            forward / means))

# The most memory that this process has had since its mark was reset, in bytes.
reset <- function() writeLines("5", "/proc/self/clear_refs")
peak <- function() {
  line <- grep("^VmHWM:", readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) * 1024
}
if ("memory" %in% commandArgs(TRUE)) {
  x <- matrix(seq_len(134e6) %% 1000, 1e6)
  invisible(gc())
  reset()
  before <- peak()
  f <- bn_forward(x)
  grown <- peak() - before
  size <- 8 * length(x)
  cat(sprintf("input of %.3f GB: peak grew by %.4f of it; the result is 1, so beyond it %.4f\n", size / 1e9,
              grown / size, grown / size - 1))
}
