library(testthat)
library(bnorm)

# The last line says what ran, one for each test_that().
results <- as.data.frame(test_check("bnorm"))
failed <- results$failed > 0 | results$error
cat("tests: ", sum(!failed & !results$skipped), " passed, ", sum(failed), " failed, ",
    sum(!failed & results$skipped), " skipped\n", sep = "")
