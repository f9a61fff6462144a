# What cloche knows of fitted R models: which inputs they read, what they answer, and what of the training data
# lies in them. Base R only. Sourced by worker.R (in cloche's R process) and by cloche.R (in the owner's session).

FORMAT <- "cloche-r/1"
BASE <- c("base", "stats", "methods", "utils", "datasets", "graphics", "grDevices")

`%or%` <- function(one, other) if (is.null(one)) other else one
refuse <- function(...) stop(..., call. = FALSE)

# -- which kind of model --------------------------------------------------------------------------------

# By the first class alone: a subclass (a gam is a glm, too) keeps its own things and predicts its own way.
KIND_OF <- c(
  lm = "lm", aov = "lm", glm = "glm", negbin = "glm", randomForest = "randomForest",
  randomForest.formula = "randomForest", ranger = "ranger", cv.glmnet = "glmnet", elnet = "glmnet",
  lognet = "glmnet", multnet = "glmnet", fishnet = "glmnet", glmnetfit = "glmnet", gbm = "gbm", svm = "svm",
  svm.formula = "svm", naiveBayes = "naiveBayes"
)
PACKAGE_OF <- c(
  randomForest = "randomForest", ranger = "ranger", glmnet = "glmnet", gbm = "gbm", svm = "e1071",
  naiveBayes = "e1071"
)

kind_of <- function(fit) {
  kind <- unname(KIND_OF[class(fit)[1]])
  if (is.na(kind)) {
    refuse(
      "expected a fit of lm, glm, randomForest, ranger, glmnet, cv.glmnet, gbm, svm or naiveBayes; got ",
      paste(class(fit), collapse = "/")
    )
  }
  kind
}

# -- its inputs -----------------------------------------------------------------------------------------

terms_of <- function(fit) fit$terms %or% fit$Terms

formula_parts <- function(fit) {
  found <- terms_of(fit)
  list(if (!is.null(found)) stats::delete.response(found), call_of(fit)[["offset"]])
}

# How it was fitted, with the names of the arguments (ranger writes its call down as it was typed).
call_of <- function(fit) {
  if (!inherits(fit, "ranger")) return(fit$call)
  tryCatch(match.call(ranger::ranger, fit$call), error = function(e) fit$call)
}

# The columns the model is shown, by raw name: `log(wt) + factor(cyl)` reads wt and cyl.
names_of <- function(fit, kind, data) {
  found <- switch(kind,
    randomForest = if (is.null(fit$terms)) rownames(fit$importance),
    ranger = fit$forest$independent.variable.names,
    glmnet = setdiff(rownames(coefficients_of(fit)), "(Intercept)"),
    gbm = if (is.null(fit$Terms)) fit$var.names,
    svm = if (is.null(fit$terms)) colnames(fit$SV),
    naiveBayes = names(fit$tables)
  )
  if (is.null(found)) found <- unique(unlist(lapply(formula_parts(fit), all.vars)))
  if (is.null(found)) refuse("this fit does not say which columns it reads; fit it with a formula, or with named columns")
  # What is no column of the data is a constant of the formula's surroundings.
  if (is.data.frame(data) && !is.null(terms_of(fit))) found <- found[found %in% names(data)]
  found
}

coefficients_of <- function(fit) {
  inner <- if (inherits(fit, "cv.glmnet")) fit$glmnet.fit else fit
  if (is.list(inner$beta)) inner$beta[[1]] else inner$beta
}

# Levels that the fit itself keeps, by the name of its own variable ("sex", "factor(cyl)").
own_levels <- function(fit, kind) {
  found <- switch(kind,
    randomForest = fit$forest$xlevels,
    ranger = fit$forest$covariate.levels,
    gbm = if (any(fit$var.type > 0)) stats::setNames(fit$var.levels, fit$var.names)[fit$var.type > 0],
    naiveBayes = lapply(Filter(function(one) !is.null(names(dimnames(one))), fit$tables), colnames),
    fit$xlevels
  )
  Filter(is.character, as.list(found))
}

type_of <- function(values) {
  if (is.ordered(values)) "ordered"
  else if (is.factor(values)) "factor"
  else if (is.logical(values)) "logical"
  else if (is.character(values)) "character"
  else if (inherits(values, "Date")) "Date"
  else if (inherits(values, "POSIXct")) "POSIXct"
  else if (is.numeric(values)) "double"
  else refuse("a column of class ", paste(class(values), collapse = "/"), " has no type on the wire")
}

# One input: its type in R, its levels where the model fixes them, and who says so.
input_of <- function(name, fit, kind, column) {
  kept <- own_levels(fit, kind)
  said <- attr(terms_of(fit), "dataClasses")
  wrapped <- intersect(paste0(c("factor(", "as.factor("), name, ")"), names(kept))
  type <- if (!is.null(column)) type_of(column)
  else if (name %in% names(kept)) if (identical(unname(said[name]), "character")) "character" else "factor"
  else if (identical(unname(said[name]), "logical")) "logical"
  else "double"
  if (type == "character" && kind %in% c("ranger", "randomForest")) {
    # They make a factor of what they are shown: of one row, it would have one level.
    seen <- if (length(column)) levels(factor(column)) else kept[[name]]
    if (is.null(seen)) refuse("this ", class(fit)[1], " does not keep the levels of the text '", name, "'; save it from R with its data: cloche_save(fit, name, data = )")
    return(list(type = "factor", levels = seen, source = class(fit)[1]))
  }
  if (type %in% c("factor", "ordered", "character") && name %in% names(kept)) {
    return(list(type = type, levels = kept[[name]], source = class(fit)[1]))
  }
  if (type %in% c("factor", "ordered")) return(list(type = type, levels = levels(column), source = "the factor's levels"))
  if (length(wrapped) && type == "double") {
    return(list(type = type, levels = as.numeric(kept[[wrapped[1]]]), source = wrapped[1]))
  }
  if (length(wrapped) && type == "character") {
    return(list(type = type, levels = kept[[wrapped[1]]], source = wrapped[1]))
  }
  list(type = type, levels = NULL, source = "", zone = if (type == "POSIXct") zone_of(column))
}

zone_of <- function(moments) {
  zone <- attr(moments, "tzone")[1]
  if (is.null(zone) || zone == "") Sys.timezone() %or% "UTC" else zone
}

# -- its data -------------------------------------------------------------------------------------------

# The table the model was fitted on, as far as it can be found: its `data` argument, else the model frame.
data_of <- function(fit, from) {
  for (argument in c("data", "x")) {
    given <- call_of(fit)[[argument]]
    if (is.null(given)) next
    found <- tryCatch(eval(given, environment(terms_of(fit)) %or% from, from), error = function(e) NULL)
    if (is.matrix(found)) found <- as.data.frame(found, stringsAsFactors = FALSE)
    if (is.data.frame(found)) return(as.data.frame(found))
  }
  # The model frame holds `log(wt)` instead of wt: of use only where it holds every raw column.
  raw <- unlist(lapply(formula_parts(fit), all.vars))
  if (is.data.frame(fit$model) && all(raw %in% names(fit$model))) fit$model
}

# The rows it was fitted on (`subset`, `na.action`), and its raw columns alone.
table_of <- function(fit, data, wanted) {
  if (!is.data.frame(data) || !all(wanted %in% names(data))) return(NULL)
  rows <- rownames(fit$model)
  if (!is.null(rows) && all(rows %in% rownames(data))) data <- data[rows, , drop = FALSE]
  data[wanted]
}

target_of <- function(fit) {
  found <- terms_of(fit)
  asked <- if (!is.null(found)) found else call_of(fit)[["formula"]]
  if (is.call(asked) && length(asked) == 3 && is.name(asked[[2]])) as.character(asked[[2]])
}

# -- what it answers ------------------------------------------------------------------------------------

# A binomial response: its two values, in the order of R (the second one's probability is answered).
binomial_classes <- function(response) {
  if (is.factor(response) && nlevels(response) == 2) levels(response)
  else if (is.factor(response)) c(levels(response)[1], paste("not", levels(response)[1]))
  else if (is.logical(response)) c(FALSE, TRUE)
  else if (is.numeric(response) && is.null(dim(response)) && all(response %in% c(0, 1, NA))) c(0L, 1L)
}

# Class names as the target has them: a numeric target's are numbers.
as_target <- function(classes, target) {
  numbers <- suppressWarnings(as.numeric(classes))
  textual <- is.factor(target) || is.character(target)
  if (!textual && !anyNA(numbers) && all(numbers == round(numbers))) as.integer(numbers) else as.character(classes)
}

classes_of <- function(fit, kind, target) {
  switch(kind,
    glm = if (fit$family$family %in% c("binomial", "quasibinomial")) {
      binomial_classes(if (is.null(fit$model)) target %or% fit$y else stats::model.response(fit$model))
    },
    randomForest = if (fit$type == "classification") as_target(fit$classes, target %or% factor("")),
    ranger = ranger_classes(fit),
    glmnet = {
      named <- fit$classnames %or% fit$glmnet.fit$classnames
      if (!is.null(named)) as_target(named, target)
    },
    gbm = switch(fit$distribution$name,
      bernoulli = , adaboost = , huberized = c(0L, 1L),
      multinomial = as_target(fit$classes, target)
    ),
    svm = if (fit$type %in% c(0, 1)) as_target(fit$levels, target %or% factor("")),
    naiveBayes = as_target(fit$levels, target %or% factor(""))
  )
}

ranger_classes <- function(fit) {
  if (fit$treetype %in% c("Classification", "Probability estimation")) {
    fit$forest$levels %or% as_target(fit$forest$class.values, NULL)
  }
}

refuse_unknown <- function(fit, kind) {
  what <- switch(kind,
    lm = if (inherits(fit, "mlm") || is.matrix(fit$coefficients)) "several responses",
    randomForest = if (fit$type == "unsupervised") "an unsupervised forest"
    else if (is.null(fit$forest)) "a forest without its trees (keep.forest = FALSE)",
    ranger = if (is.null(fit$forest)) "a forest without its trees (write.forest = FALSE)"
    else if (fit$treetype == "Survival") "a survival forest",
    glmnet = if (any(class(fit$glmnet.fit %or% fit) %in% c("coxnet", "mrelnet"))) "a Cox or multi-response model"
    else if (isTRUE(fit$offset) || isTRUE(fit$glmnet.fit$offset)) "an offset",
    gbm = if (fit$distribution$name %in% c("coxph", "pairwise")) paste("distribution", fit$distribution$name),
    svm = if (fit$type == 2) "a one-class svm"
  )
  if (!is.null(what)) refuse("this ", class(fit)[1], " cannot be served: ", what, " is not known here")
}

rows_inside <- function(fit, kind) if (kind == "svm") paste("svm keeps", nrow(fit$SV), "support vectors") else ""

# What predict() has to be told besides.
settings_of <- function(fit, kind, s, n.trees) {
  if (kind == "gbm") return(list(n.trees = n.trees %or% fit$n.trees))
  if (kind != "glmnet") return(list())
  if (is.null(s)) {
    s <- if (inherits(fit, "cv.glmnet")) "lambda.1se" else if (length(fit$lambda) == 1) fit$lambda
    if (is.null(s)) {
      refuse("a glmnet fit holds a path of ", length(fit$lambda), " models; say which: cloche_save(fit, name, s = 0.01), or save a cv.glmnet")
    }
  }
  list(s = if (is.character(s)) fit[[s]] else s)
}

hyperparameters <- function(fit) {
  words <- function(value) substr(paste(deparse(value, width.cutoff = 500L), collapse = " "), 1, 110)
  call <- as.list(call_of(fit))[-1]
  call <- call[setdiff(names(call), c("", "data", "x", "y", "formula", "subset", "weights"))]
  said <- vapply(call, words, "")
  asked <- terms_of(fit) %or% call_of(fit)[["formula"]]
  c(if (is.call(asked)) c(formula = words(stats::formula(asked))), said)
}

# -- without the rows it was fitted on ------------------------------------------------------------------

DROPPED <- list(
  lm = c("model", "residuals", "effects", "fitted.values", "weights", "na.action", "offset", "x", "y"),
  glm = c(
    "model", "data", "y", "residuals", "effects", "fitted.values", "weights", "prior.weights", "linear.predictors",
    "na.action", "offset", "x"
  ),
  randomForest = c("predicted", "y", "votes", "oob.times", "inbag", "proximity", "localImportance", "test", "na.action"),
  ranger = c("predictions", "inbag.counts", "variable.importance.local"),
  glmnet = c("fit.preval", "foldid"),
  gbm = c("data", "fit", "cv.fitted", "cv.folds.fit"),
  svm = c("fitted", "residuals", "decision.values", "index", "na.action"),
  naiveBayes = character()
)

stripped <- function(fit, kind, surroundings) {
  fit[intersect(DROPPED[[kind]], names(fit))] <- NULL
  if (!is.null(fit$qr$qr)) {  # n rows of it are the training table turned; predict() asks for the first p at most
    width <- min(dim(fit$qr$qr))
    fit$qr$qr <- unname(fit$qr$qr[seq_len(width), , drop = FALSE])
    fit$qr$qr[lower.tri(fit$qr$qr)] <- 0
    dimnames(fit$qr$qr) <- list(NULL, names(fit$coefficients))
    fit$qr$qraux <- fit$qr$qraux[seq_len(width)]
  }
  if (is.call(fit$call)) fit$call <- names_only(fit$call)
  if (is.call(fit$glmnet.fit$call)) fit$glmnet.fit$call <- names_only(fit$glmnet.fit$call)
  for (part in intersect(c("terms", "Terms"), names(fit))) {
    attr(fit[[part]], ".Environment") <- surroundings
  }
  if (inherits(fit$formula, "formula")) environment(fit$formula) <- surroundings
  fit
}

# do.call() writes the data themselves into the call.
names_only <- function(call) {
  for (argument in setdiff(names(call), "")) {
    if (!is.language(call[[argument]]) && length(call[[argument]]) > 10) call[[argument]] <- NULL
  }
  call
}

# What the formula's words mean beyond its columns: constants and functions of the owner's, packages' functions.
surroundings_of <- function(fit, columns) {
  kept <- new.env(parent = globalenv())
  attached <- character()
  look <- function(expression, from) {
    for (name in setdiff(unique(all.names(expression)), c(columns, ls(kept)))) {
      home <- where_is(name, from)
      if (is.null(home)) next
      package <- sub("^(package|namespace):", "", environmentName(home))
      if (environmentName(home) == "R_GlobalEnv" || environmentName(home) == "") {
        value <- get(name, envir = home, inherits = FALSE)
        if (is.function(value)) {
          assign(name, value, envir = kept)
          look(body(value), environment(value) %or% from)
          environment(kept[[name]]) <- kept
        } else if (is.atomic(value) && utils::object.size(value) <= 1e5) {
          assign(name, value, envir = kept)
        }
      } else if (!package %in% BASE) {
        attached <<- union(attached, package)
      }
    }
  }
  found <- terms_of(fit)
  if (!is.null(found)) for (part in formula_parts(fit)) look(part, environment(found) %or% globalenv())
  list(environment = kept, attached = attached)
}

where_is <- function(name, from) {
  while (!identical(from, emptyenv())) {
    if (exists(name, envir = from, inherits = FALSE)) return(from)
    from <- parent.env(from)
  }
  NULL
}

# -- all of it ------------------------------------------------------------------------------------------

load_packages <- function(about) {
  for (name in about$needs) {
    if (!requireNamespace(name, quietly = TRUE)) {
      refuse("R package ", name, " is not installed; run: apt-get install r-cran-", tolower(name), ", or install.packages(\"", name, "\")")
    }
  }
  for (name in about$attached) suppressPackageStartupMessages(library(name, character.only = TRUE))
}

versions_of <- function(needs) vapply(needs, function(name) as.character(utils::packageVersion(name)), "")

describe <- function(fit, kind, data, target, s, n.trees) {
  wanted <- names_of(fit, kind, data)
  inputs <- lapply(wanted, function(name) input_of(name, fit, kind, data[[name]]))
  classes <- classes_of(fit, kind, target)
  probabilities <- !is.null(classes) && switch(kind,
    svm = isTRUE(fit$compprob), ranger = fit$treetype == "Probability estimation", TRUE
  )
  list(
    kind = kind, model = class(fit)[1], names = wanted, inputs = stats::setNames(inputs, wanted), classes = classes,
    probabilities = probabilities, settings = settings_of(fit, kind, s, n.trees),
    rows_inside = rows_inside(fit, kind), hyperparameters = hyperparameters(fit)
  )
}

# A fit, and what is to be known of it, without the rows it was fitted on; `table`, `target` beside. `prototype` has
# columns as `data` and no row: it stands in where the data are nowhere.
prepare <- function(fit, data = NULL, target = NULL, s = NULL, n.trees = NULL, from = globalenv(), prototype = NULL) {
  kind <- kind_of(fit)
  needs <- unname(PACKAGE_OF[kind])
  needs <- needs[!is.na(needs)]
  load_packages(list(needs = needs))
  refuse_unknown(fit, kind)
  if (is.matrix(data)) data <- as.data.frame(data, stringsAsFactors = FALSE)
  data <- if (is.null(data)) data_of(fit, from) %or% prototype else as.data.frame(data)
  named <- target %or% target_of(fit)
  truth <- if (!is.null(named) && named %in% names(data)) data[[named]] else fit$y
  about <- describe(fit, kind, data, truth, s, n.trees)
  around <- surroundings_of(fit, names(data) %or% about$names)
  about <- c(about, list(
    needs = needs, attached = around$attached, target = named,
    versions = versions_of(c(needs, around$attached)), r = as.character(getRversion())
  ))
  bundle <- list(format = FORMAT, fit = stripped(fit, kind, around$environment), about = about)
  bundle$table <- table_of(fit, data, about$names)
  if (!is.null(bundle$table)) {
    bundle$target <- if (!is.null(named) && named %in% names(data)) table_of(fit, data, named)[[1]] else fit$y
    if (length(bundle$target) != nrow(bundle$table)) bundle$target <- NULL
    check_same(fit, bundle)
  }
  bundle
}

# The fit answers as before it was stripped, on its own rows.
check_same <- function(fit, bundle) {
  if (nrow(bundle$table) == 0) return()
  rows <- utils::head(bundle$table, 500)
  rownames(rows) <- NULL
  before <- tryCatch(answer(fit, bundle$about, rows), error = identity)
  if (inherits(before, "error")) refuse("the fit does not answer the rows it was fitted on: ", conditionMessage(before))
  after <- tryCatch(answer(bundle$fit, bundle$about, rows), error = identity)
  if (!isTRUE(all.equal(before, after, tolerance = 1e-12))) {
    refuse("without its training rows this ", bundle$about$model, " answers differently, so it is not stored")
  }
}

# -- answers --------------------------------------------------------------------------------------------

# `prediction` is numbers, or classes by their place; `probabilities` a matrix, one column a class.
answer <- function(fit, about, rows) {
  found <- suppressWarnings(ANSWER[[about$kind]](fit, about, rows))
  if (is.null(about$classes)) {
    found <- list(prediction = as.double(found))
  } else if (is.null(found$prediction)) {
    found$prediction <- max.col(found$probabilities, ties.method = "first")
  }
  if (length(found$prediction) != nrow(rows)) {
    refuse(length(found$prediction), " answers to ", nrow(rows), " rows: a row with a missing value was left out")
  }
  if (!is.null(about$classes) && anyNA(found$prediction)) refuse("no class for a row: a value is missing")
  found
}

two <- function(second) {
  second <- as.double(second)
  list(prediction = 1L + (second >= 0.5), probabilities = cbind(1 - second, second))
}

by_class <- function(probabilities, about, n) {
  if (is.null(dim(probabilities))) probabilities <- matrix(probabilities, nrow = n, dimnames = list(NULL, names(probabilities)))
  if (!is.null(colnames(probabilities))) probabilities <- probabilities[, as.character(about$classes), drop = FALSE]
  probabilities
}

numbers <- function(rows, about) {
  found <- vapply(about$names, function(name) as.double(rows[[name]]), double(nrow(rows)))
  matrix(found, nrow = nrow(rows), dimnames = list(NULL, about$names))
}

ANSWER <- list(
  lm = function(fit, about, rows) stats::predict(fit, rows),
  glm = function(fit, about, rows) {
    found <- stats::predict(fit, rows, type = "response")
    if (is.null(about$classes)) found else two(found)
  },
  randomForest = function(fit, about, rows) {
    if (is.null(about$classes)) return(stats::predict(fit, rows))
    found <- by_class(unclass(stats::predict(fit, rows, type = "prob")), about, nrow(rows))
    # As the forest's own vote, but the first of equals wins: R draws lots.
    shares <- sweep(found, 2, fit$forest$cutoff, "/")
    list(prediction = max.col(shares, ties.method = "first"), probabilities = found)
  },
  ranger = function(fit, about, rows) {
    whole <- fit$treetype == "Classification"
    found <- stats::predict(fit, data = rows, num.threads = 1L, verbose = FALSE, predict.all = whole)$predictions
    if (is.null(about$classes)) return(found)
    if (!whole) return(list(probabilities = by_class(found, about, nrow(rows))))
    values <- if (is.null(fit$forest$levels)) as.double(about$classes) else seq_along(about$classes)
    found <- matrix(found, nrow = nrow(rows))
    votes <- vapply(values, function(one) rowSums(found == one), double(nrow(rows)))
    list(prediction = max.col(matrix(votes, nrow = nrow(rows)), ties.method = "first"))
  },
  glmnet = function(fit, about, rows) {
    found <- stats::predict(fit, newx = numbers(rows, about), s = about$settings$s, type = "response")
    if (is.null(about$classes)) found
    else if (length(about$classes) == 2 && length(found) == nrow(rows)) two(found)
    else list(probabilities = by_class(matrix(found, nrow = nrow(rows), dimnames = list(NULL, dimnames(found)[[2]])), about, nrow(rows)))
  },
  gbm = function(fit, about, rows) {
    found <- stats::predict(fit, rows, n.trees = about$settings$n.trees, type = "response")
    if (is.null(about$classes)) found
    else if (fit$distribution$name != "multinomial") two(found)
    else list(probabilities = by_class(matrix(found, nrow = nrow(rows), dimnames = list(NULL, dimnames(found)[[2]])), about, nrow(rows)))
  },
  svm = function(fit, about, rows) {
    if (is.null(fit$terms)) rows <- numbers(rows, about)
    found <- stats::predict(fit, rows)
    if (is.null(about$classes)) return(found)
    # Asked for probabilities, libsvm gives the most probable class, which need not be the one it decides for.
    shares <- if (about$probabilities) attr(stats::predict(fit, rows, probability = TRUE), "probabilities")
    list(
      prediction = match(as.character(found), as.character(about$classes)),
      probabilities = if (!is.null(shares)) by_class(shares, about, nrow(rows))
    )
  },
  naiveBayes = function(fit, about, rows) {
    list(probabilities = by_class(stats::predict(fit, rows, type = "raw"), about, nrow(rows)))
  }
)
