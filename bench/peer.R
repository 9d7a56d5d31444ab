# peer.R MODULE: R's matrix expressions beside bnorm, column-major double, one thread, both in this
# process and in turns. Prints "op rows cols name ratio", the ratio being R's time over bnorm's.
source(file.path(dirname(sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))), "expressions.R"))
arguments <- commandArgs(trailingOnly = TRUE)
module <- dyn.load(arguments[1])
shapes <- matrix(as.integer(strsplit(arguments[2], ",")[[1]]), ncol = 2, byrow = TRUE)
eps <- 1e-5
invisible(.C("bench_r_recycle"))
cat("version", paste(R.version$major, R.version$minor, sep = "."), "\n")

now <- function() as.numeric(Sys.time())

ours <- function(calls) .C("bench_r_time", 0L, as.integer(calls), seconds = 0, PACKAGE = "libbench_compare")$seconds

theirs <- function(f, calls) {
  start <- now()
  for (k in seq_len(calls)) f()
  (now() - start) / calls
}

measure <- function(op, f) {
  once <- theirs(f, 1)
  calls <- max(1, floor(2e-3 / once))
  rounds <- if (once > 0.2) 1 else if (once > 0.02) 3 else 7
  mine <- max(1, floor(2e-3 / ours(1)))
  a <- b <- numeric(rounds)
  for (r in seq_len(rounds)) {
    a[r] <- ours(mine)
    b[r] <- theirs(f, calls)
  }
  median(b) / median(a)
}

for (s in seq_len(nrow(shapes))) {
  rows <- shapes[s, 1]
  cols <- shapes[s, 2]
  if (.C("bench_r_open", rows, cols, failed = 0L)$failed != 0) stop("no memory for ", rows, " x ", cols)
  x <- matrix(rep_len(rnorm(4099), rows * cols), rows, cols)
  dy <- matrix(rep_len(rnorm(4111), rows * cols), rows, cols)
  list <- expressions(x, dy, rep(1.5, cols), rep(0, cols), eps)
  for (op in names(list)) {
    if (.C("bench_r_set", op, failed = 0L)$failed != 0) stop("bnorm failed")
    for (name in names(list[[op]]))
      cat(op, rows, cols, gsub(" ", "_", name), measure(op, list[[op]][[name]]), "\n")
  }
}
