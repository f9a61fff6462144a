# Three fits, published with cloche_save() and kept for plumber.R; rows to ask for:  Rscript publish.R FOLDER STORE
arguments <- commandArgs(trailingOnly = TRUE)
setwd(arguments[1])
source("cloche.R")
set.seed(7)

n <- 400
people <- data.frame(
  age = round(rnorm(n, 40, 12), 3), fare = round(exp(rnorm(n, 3, 1)), 2), class = factor(sample(c("1st", "2nd", "3rd"), n, TRUE)),
  port = sample(c("Cherbourg", "Köln \"am Rhein\""), n, TRUE), stringsAsFactors = FALSE
)
people$paid <- with(people, log(fare) + age / 10 + as.integer(class) + rnorm(n))
people$survived <- factor(ifelse(people$paid + rnorm(n) > 9, "yes", "no"))
people$deck <- factor(cut(people$paid, 3, labels = c("low", "mid", "high")))
train <- people[1:300, ]
test <- people[301:400, ]

keep <- function(fit, name, ...) {
  saveRDS(fit, paste0(name, ".rds"))
  cloche_save(fit, name, store = arguments[2], ...)
}
keep(lm(paid ~ log(fare) + age + class + port, train), "paid", test = test, description = "What they paid")
keep(glm(survived ~ age + fare + class, binomial, train), "survived", test = test)
keep(randomForest::randomForest(deck ~ age + fare + class, train, ntree = 50), "deck", test = test, `data-version` = "7")

rows <- people[c("age", "fare", "class", "port")]
rows$class <- as.character(rows$class)
writeLines(jsonlite::toJSON(rows, digits = NA, auto_unbox = TRUE), "rows.json", useBytes = TRUE)
saveRDS(rows, "rows.rds")
