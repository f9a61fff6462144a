# cloche_predict() beside predict():  Rscript ask.R FOLDER URL [KEY]
arguments <- commandArgs(trailingOnly = TRUE)
setwd(arguments[1])
source("cloche.R")
suppressPackageStartupMessages(library(randomForest))
key <- if (length(arguments) > 2) arguments[3]
rows <- readRDS("rows.rds")
asked <- function(name, columns) cloche_predict(paste0(arguments[2], "/models/", name), rows[columns], key = key)
as_fitted <- transform(rows, class = factor(class))

paid <- asked("paid", c("age", "fare", "class", "port"))
stopifnot(all.equal(paid$prediction, unname(predict(readRDS("paid.rds"), as_fitted)), tolerance = 1e-12))
survived <- asked("survived", c("age", "fare", "class"))
p <- unname(predict(readRDS("survived.rds"), as_fitted, type = "response"))
stopifnot(all.equal(survived$probabilities.yes, p, tolerance = 1e-12), identical(survived$prediction, ifelse(p >= 0.5, "yes", "no")))
deck <- asked("deck", c("age", "fare", "class"))
shares <- as.matrix(deck[paste0("probabilities.", c("low", "mid", "high"))])
sure <- apply(shares, 1, function(one) sum(one == max(one)) == 1)  # where votes are equal R draws lots
theirs <- as.character(predict(readRDS("deck.rds"), as_fitted))
stopifnot(sum(sure) > 380, identical(deck$prediction[sure], theirs[sure]))

gap <- rows[1:3, c("age", "fare", "class", "port")]
gap$age[2:3] <- NA
answers <- cloche_predict(paste0(arguments[2], "/models/paid/predict"), gap, key = key)$prediction
stopifnot(identical(is.na(answers), c(FALSE, TRUE, TRUE)))
wrong <- tryCatch(cloche_predict(paste0(arguments[2], "/models/paid"), transform(gap, class = "4th"), key = key), error = conditionMessage)
stopifnot(grepl("answered 400", wrong), grepl("unknown level '4th'", wrong))
cat("as R says\n")
