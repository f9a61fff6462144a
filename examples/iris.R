# From a forest in R to a service:  cloche r > cloche.R && Rscript iris.R
source("cloche.R")
set.seed(1)

rows <- sample(nrow(iris))
train <- iris[rows[1:100], ]
test <- iris[rows[101:150], ]

fit <- randomForest::randomForest(Species ~ ., train, ntree = 101)
cloche_save(fit, "iris", test = test, description = "Which iris it is, by four lengths.")

# Afterwards, with `cloche serve iris` running (the docs say how it comes to be trusted):
#   cloche_predict("http://127.0.0.1:8000", test[1:3, 1:4])
