# Writes examples/produc.csv from the data set Produc of R's package plm, unchanged: the same
# rows, columns and values. Run from the repository's root: Rscript examples/make_data.R
data("Produc", package = "plm")
write.csv(Produc, "examples/produc.csv", row.names = FALSE, quote = FALSE)
