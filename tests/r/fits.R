# Fits of every kind, as cloche_save() hands them over, each with what R itself answers for its training rows:
#   Rscript fits.R FOLDER CLOCHE.R
folder <- commandArgs(trailingOnly = TRUE)[1]
source(commandArgs(trailingOnly = TRUE)[2])
set.seed(1)

keep <- function(name, fit, prediction, probabilities = NULL, ...) {
  saveRDS(.cloche$prepare(fit, ...), file.path(folder, paste0(name, ".rds")))
  words <- function(values) if (is.double(values)) sprintf("%.17g", values) else as.character(values)
  columns <- c(list(words(prediction)), if (!is.null(probabilities)) lapply(seq_len(ncol(probabilities)), function(place) words(as.double(probabilities[, place]))))
  utils::write.table(as.data.frame(columns), file.path(folder, paste0(name, ".txt")), sep = "\t", quote = FALSE, row.names = FALSE, col.names = FALSE)
}
binary <- function(name, fit, p, classes, ...) keep(name, fit, classes[1 + (p >= 0.5)], cbind(1 - p, p), ...)
best <- function(p) colnames(p)[max.col(p, "first")]

# Rows that could be told apart if they were stored: their names, and a number in each column.
n <- 300
people <- data.frame(
  age = round(rnorm(n, 40, 12), 3), income = round(exp(rnorm(n, 10, 0.5)), 2), member = sample(c(TRUE, FALSE), n, TRUE),
  city = sample(c("Aachen", "Köln", "Ulm"), n, TRUE), size = factor(sample(c("S", "M", "L"), n, TRUE), c("S", "M", "L"), ordered = TRUE),
  rooms = sample(1:4, n, TRUE), joined = as.Date("2020-01-01") + sample(900, n, TRUE), stringsAsFactors = FALSE,
  seen = as.POSIXct("2024-03-01 12:00:00", tz = "Europe/Berlin") + sample(1e6, n, TRUE)
)
people$age[1] <- 31.415926535; people$income[1] <- 27182.818284
rownames(people) <- paste0("secret-row-", seq_len(n))
people$spent <- with(people, age / 10 + log(income) + 2 * member + (city == "Ulm") + rooms + rnorm(n))
people$spent[1] <- 16.180339887
people$left <- factor(ifelse(people$spent + rnorm(n) > 20, "yes", "no"))
people$grade <- factor(cut(people$spent, 3, labels = c("low", "mid", "high")))
people$flag <- as.integer(people$left == "yes")
numeric <- as.matrix(people[c("age", "income", "rooms")])

power <- 2
squared <- function(x) x^power
fit <- lm(spent ~ squared(age) + log(income) + member + city + size + factor(rooms) + joined + as.numeric(format(seen, "%H")), people)
keep("lm", fit, predict(fit, people))
fit <- do.call(lm, list(spent ~ age, data = people))
keep("lm-inline", fit, predict(fit, people))
fit <- lm(spent ~ poly(age, 2) + splines::ns(income, 3), people, subset = rooms > 1)
keep("lm-subset", fit, predict(fit, people[people$rooms > 1, ]))
fit <- glm(left ~ age + city + size, binomial, people)
binary("glm", fit, predict(fit, people, type = "response"), c("no", "yes"))
fit <- glm(flag ~ age + income, binomial, people)
binary("glm-01", fit, predict(fit, people, type = "response"), 0:1)
fit <- glm(rooms ~ age + offset(log(income)), poisson, people)
keep("glm-poisson", fit, predict(fit, people, type = "response"))

fit <- randomForest::randomForest(grade ~ age + income + member + size, people, ntree = 31)
p <- predict(fit, people, type = "prob")
keep("randomForest", fit, best(p), p)
fit <- randomForest::randomForest(people[c("age", "income", "size")], people$spent, ntree = 31)
keep("randomForest-xy", fit, predict(fit, people))

fit <- ranger::ranger(grade ~ age + income + city + size, people, num.trees = 31, probability = TRUE)
p <- predict(fit, people)$predictions
keep("ranger", fit, best(p), p)
fit <- ranger::ranger(grade ~ age + income, people, num.trees = 31)
keep("ranger-votes", fit, predict(fit, people)$predictions)
fit <- ranger::ranger(spent ~ age + income + size, people, num.trees = 31)
keep("ranger-regression", fit, predict(fit, people)$predictions)

fit <- glmnet::cv.glmnet(numeric, people$spent)
keep("cv.glmnet", fit, predict(fit, numeric, s = "lambda.1se"))
fit <- glmnet::glmnet(numeric, people$left, family = "binomial", lambda = 0.01)
binary("glmnet", fit, as.vector(predict(fit, numeric, type = "response")), c("no", "yes"))
fit <- glmnet::cv.glmnet(numeric, people$grade, family = "multinomial")
p <- predict(fit, numeric, s = "lambda.1se", type = "response")[, , 1]
keep("glmnet-classes", fit, best(p), p)
fit <- glmnet::glmnet(numeric, people$spent)
keep("glmnet-path", fit, predict(fit, numeric, s = 0.1), s = 0.1)

fit <- gbm::gbm(spent ~ age + income + size, data = people, distribution = "gaussian", n.trees = 30)
keep("gbm", fit, predict(fit, people, n.trees = 30))
fit <- gbm::gbm(flag ~ age + income + factor(city), data = people, distribution = "bernoulli", n.trees = 30)
binary("gbm-01", fit, predict(fit, people, n.trees = 30, type = "response"), 0:1)

fit <- e1071::svm(grade ~ age + income + size, people, probability = TRUE)
p <- attr(predict(fit, people, probability = TRUE), "probabilities")
keep("svm", fit, predict(fit, people), p[, levels(people$grade)])
fit <- e1071::svm(numeric, people$spent)
keep("svm-xy", fit, predict(fit, numeric))
fit <- e1071::naiveBayes(people[c("age", "member", "city", "size")], people$grade)
p <- predict(fit, people, type = "raw")
keep("naiveBayes", fit, best(p), p, data = people, target = "grade")

# As saveRDS() alone writes them.
raw <- function(name, fit) saveRDS(fit, file.path(folder, paste0("raw-", name, ".rds")))
raw("lm", lm(mpg ~ log(wt) + factor(cyl), mtcars))
raw("forest", randomForest::randomForest(Species ~ ., iris, ntree = 15))
raw("local", local({ pounds <- function(x) x * 2.2046; lm(dist ~ pounds(speed), cars) }))
raw("untold", lm(log(spent) ~ log(income), people))
saveRDS(glm(am ~ wt, binomial, mtcars), file.path(folder, "raw-xz.rds"), compress = "xz")
saveRDS(glm(am ~ wt, binomial, mtcars), file.path(folder, "raw-plain.rds"), compress = FALSE)
raw("path", glmnet::glmnet(numeric, people$spent))

# As vetiver pins them: without rows, and a call that tells nothing (butcher).
pinned <- function(name, fit, data, key = "prototype") {
  fit$call <- quote(dummy_call())
  shown <- list(model = fit, data[0, ], required_pkgs = "ranger")
  names(shown)[2] <- key
  saveRDS(shown, file.path(folder, paste0("pinned-", name, ".rds")))
}
pinned("ranger", ranger::ranger(grade ~ age + size, people, num.trees = 9, seed = 1), people[c("age", "size")])
pinned("text", ranger::ranger(grade ~ age + city, people, num.trees = 9, seed = 1), people[c("age", "city")])
pinned("lm", lm(spent ~ age + size, people, model = FALSE), people[c("age", "size")], "ptype")

# Not served: of no kind that is known, or of one with something that is not.
saveRDS(kmeans(numeric, 3), file.path(folder, "refused-kmeans.rds"))
saveRDS(lm(cbind(age, income) ~ rooms, people), file.path(folder, "refused-responses.rds"))
saveRDS(1:3, file.path(folder, "refused-vector.rds"))
save(fit, file = file.path(folder, "refused-workspace.rds"))
