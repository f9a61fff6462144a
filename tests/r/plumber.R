# The three fits as one would serve them with plumber by hand:  Rscript plumber.R FOLDER PORT
arguments <- commandArgs(trailingOnly = TRUE)
setwd(arguments[1])
fits <- lapply(c(paid = "paid.rds", survived = "survived.rds", deck = "deck.rds"), readRDS)
suppressPackageStartupMessages(library(randomForest))

answer <- function(req, res, name) {
  rows <- jsonlite::fromJSON(req$postBody)
  rows$class <- factor(rows$class, c("1st", "2nd", "3rd"))
  switch(name,
    paid = list(prediction = predict(fits$paid, rows)),
    survived = list(probability = predict(fits$survived, rows, type = "response")),
    deck = list(prediction = as.character(predict(fits$deck, rows)), probabilities = as.data.frame(unclass(predict(fits$deck, rows, type = "prob"))))
  )
}
library(plumber)
pr() |>
  pr_post("/models/<name>/predict", answer, serializer = serializer_json(digits = NA, dataframe = "columns")) |>
  pr_get("/ready", function() "ready") |>
  pr_run(host = "127.0.0.1", port = as.integer(arguments[2]), docs = FALSE, quiet = TRUE)
