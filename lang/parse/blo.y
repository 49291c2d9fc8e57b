/* The grammar of blo, edition 1: LALR(1), no conflicts.
 *
 * The parser pulls tokens from the stream (stream.c), which also resynchronises after a mistake: it
 * answers with RSEMI (a statement was skipped) or REND (the `}` of the block is next), the only two
 * tokens that follow `error` here.  Lists are written `%empty | list` with `list: element | list
 * element`, so that the state behind a `{` can shift `error`. */
%code requires {
#include "parse/build_tree.h"
}
%code {
#include "parse/stream.h"

int blo_yylex(BLO_YYSTYPE *value, BLO_YYLTYPE *place, Parser *parser);
static void yyerror(const Span *place, Parser *parser, const char *message);

#define YYLLOC_DEFAULT(current, rhs, n) (current) = rule_span(&YYRHSLOC(rhs, 0), (n))
/* A node of `kind`, filled by the designated initialisers that follow. */
#define NEW(kind, place, member, ...)                                                              \
  node_make(parser, kind, place, (Node){.as.member = {__VA_ARGS__}})
#define DECLARE(kind, place, member, ...)                                                          \
  node_document(parser, NEW(kind, place, member, __VA_ARGS__))
#define PUSH(list, item) VEC_PUSH(parser->arena, &(list), item)
#define BINARY(operator, place, l, r, o)                                                           \
  NEW(EXPR_BINARY, place, binary, .op = operator, .left = l, .right = r, .op_span = o)
/* The stack holds plain data: it may be copied when it grows. */
#define BLO_YYLTYPE_IS_TRIVIAL 1
#define YYMAXDEPTH 100000
}

%define api.pure full
%define api.prefix {blo_yy}
%define api.token.prefix {T_}
%define api.location.type {Span}
%define parse.error custom
%define parse.lac full
%locations
%param {Parser *parser}
%initial-action { @$ = (Span){parser->source, 0, 0}; }
%expect 0

%union {
  const Token *token;
  Node *node;
  NodeList nodes;
  Ident ident;
  IdentList idents;
  ElementType element;
  Part *part;
  PartList parts;
  bool flag;
}

%token YYEOF 0 "end of file"
%token RSEMI "a skipped statement"
%token REND "the end of a skipped block"
%token <token> IDENTIFIER "a name"
%token <token> INT "an integer" REAL "a number" STRING "a string"

%token <token> FN "`fn`" LET "`let`" IF "`if`" THEN "`then`" ELSE "`else`" FOR "`for`" LOOP "`loop`"
%token <token> WHILE "`while`" SET "`set`" IN "`in`" TRUE "`true`" FALSE "`false`"
%token <token> F16 "`f16`" BF16 "`bf16`" F32 "`f32`" F64 "`f64`" I32 "`i32`" I64 "`i64`" U8 "`u8`"
%token <token> BOOL "`bool`"

%token <token> BLO "`blo`" IMPORT "`import`" AS "`as`" DIM "`dim`" CONST "`const`" STRUCT "`struct`"
%token <token> EXPORT "`export`" DATA "`data`" UPPER "`upper`" LOWER "`lower`" VAR "`var`"
%token <token> STATE "`state`" BATCH "`batch`" MINIMIZE "`minimize`" MAXIMIZE "`maximize`"
%token <token> SUBJECT "`subject`" TO "`to`" PROX "`prox`" UPDATE "`update`" REPORT "`report`"
%token <token> SOLVE "`solve`" STAGE "`stage`" TEST "`test`" EXPECT "`expect`" ERROR_WORD "`error`"
%token <token> WARNING "`warning`" WITHIN "`within`" METHOD "`method`" ACCEPTS "`accepts`"
%token <token> STEP "`step`" OPTIMIZER "`optimizer`" HYPERGRADIENT "`hypergradient`"
%token <token> YIELD "`yield`" ENSURE "`ensure`" WARN "`warn`" SHARD "`shard`" CUSTOM "`custom`"
%token <token> VJP "`vjp`" JVP "`jvp`"

%token ARROW "`->`" DOTS "`..`" OR "`||`" AND "`&&`" LE "`<=`" GE "`>=`" EQ "`==`" NE "`!=`"
%token APPROX "`~=`" NOT "`!`" LT "`<`" GT "`>`" PLUS "`+`" MINUS "`-`" STAR "`*`" SLASH "`/`"
%token AT "`@`" POWER "`^`" ASSIGN "`=`" DOT "`.`" COMMA "`,`" SEMICOLON "`;`" COLON "`:`"
%token LEFT_PAREN "`(`" RIGHT_PAREN "`)`" LEFT_BRACKET "`[`" RIGHT_BRACKET "`]`"
%token LEFT_BRACE "`{`" RIGHT_BRACE "`}`"

%type <nodes> items items_opt dim_list fields fields_opt params params_opt param_list clauses
%type <nodes> clauses_opt stage_items stage_items_opt settings settings_opt test_items
%type <nodes> test_items_opt traits steps steps_opt moves set_params set_params_opt
%type <nodes> set_functions set_functions_opt types exprs lets patterns binders indices arguments
%type <nodes> arguments_opt data_items data_items_opt bounds
%type <node> item import dims dim const struct data data_item field function param body block let
%type <node> pattern level clause stage stage_item report solve setting setting_item test test_item
%type <node> expect method trait state_variable step move optimizer set set_function set_param type
%type <node> bound bound_number type_atom expr postfix atom index argument binder ensure shard rule
%type <node> type_opt init_opt in_opt then_opt within_opt while_opt yield_opt data_extent_opt
%type <ident> name name_opt as_opt
%type <idents> names key dims_opt
%type <element> element_type
%type <part> method_part optimizer_part family_opt
%type <parts> method_parts method_parts_opt optimizer_parts optimizer_parts_opt
%type <flag> export_opt

/* Loosest first.  STATEMENT_WORD: `ensure (a) ...` at the start of a statement is the statement. */
%precedence STATEMENT_WORD
%precedence ARROW ELSE
%left OR
%left AND
%precedence NOT
%nonassoc LT GT LE GE EQ NE APPROX
%left PLUS MINUS
%left STAR SLASH AT
%precedence NEGATION
%right POWER
%precedence LEFT_PAREN LEFT_BRACKET YIELD

%%

file:
    items_opt { parser->file = file_make(parser, @$, NULL, $items_opt); }
  | BLO INT SEMICOLON items_opt { parser->file = file_make(parser, @$, $INT, $items_opt); }
;

items_opt: %empty { $$ = (NodeList){0}; } | items ;
items:
    item { $$ = (NodeList){0}; PUSH($$, $item); }
  | items item { $$ = $1; PUSH($$, $item); }
;
item:
    import | dims | const | struct | data | function | level | solve | stage | report | test
  | method | optimizer | set | shard | rule
  | error RSEMI { $$ = error_make(parser, @$); yyerrok; }
;

import:
    IMPORT name as_opt SEMICOLON
      { $$ = DECLARE(ITEM_IMPORT, @$, import, .module = $name, .alias = $as_opt); }
  | IMPORT STRING as_opt SEMICOLON
      { $$ = DECLARE(ITEM_IMPORT, @$, import, .module = string_ident(parser, $STRING),
                     .is_path = true, .alias = $as_opt); }
;
as_opt: %empty { $$ = (Ident){0}; } | AS name { $$ = $name; } ;

dims: DIM dim_list SEMICOLON { $$ = DECLARE(ITEM_DIMS, @$, dims, .dims = $dim_list); } ;
dim_list:
    dim { $$ = (NodeList){0}; PUSH($$, $dim); }
  | dim_list COMMA dim { $$ = $1; PUSH($$, $dim); }
;
dim: name init_opt { $$ = NEW(PART_DIM, @$, dim, .name = $name, .value = $init_opt); } ;

const: CONST name type_opt ASSIGN expr SEMICOLON
      { $$ = DECLARE(ITEM_CONST, @$, constant, .name = $name, .type = $type_opt, .value = $expr); } ;

struct: STRUCT name dims_opt LEFT_BRACE fields_opt RIGHT_BRACE
      { $$ = DECLARE(ITEM_STRUCT, @$, structure, .name = $name, .dims = $dims_opt,
                     .fields = $fields_opt); } ;
dims_opt:
    %empty { $$ = (IdentList){0}; }
  | LEFT_BRACKET names RIGHT_BRACKET { $$ = $names; }
;

data: DATA name_opt data_extent_opt LEFT_BRACE data_items_opt RIGHT_BRACE
      { $$ = node_document(parser, data_make(parser, @$, $name_opt, $data_extent_opt,
                                             $data_items_opt)); } ;
data_extent_opt:
    %empty { $$ = NULL; }
  | LEFT_BRACKET expr RIGHT_BRACKET { $$ = $expr; }
;
data_items_opt: %empty { $$ = (NodeList){0}; } | data_items ;
data_items:
    data_item { $$ = (NodeList){0}; PUSH($$, $data_item); }
  | data_items data_item { $$ = $1; PUSH($$, $data_item); }
;
data_item: let | ensure | field ;

fields_opt: %empty { $$ = (NodeList){0}; } | fields ;
fields:
    field { $$ = (NodeList){0}; PUSH($$, $field); }
  | fields field { $$ = $1; PUSH($$, $field); }
;
field:
    name COLON type in_opt init_opt SEMICOLON
      { $$ = DECLARE(PART_FIELD, @$, field, .name = $name, .type = $type, .set = $in_opt,
                     .initial = $init_opt); }
  | error RSEMI { $$ = error_make(parser, @$); yyerrok; }
  | error REND { $$ = error_make(parser, @$); yyerrok; }
;

function: export_opt FN name dims_opt LEFT_PAREN params_opt RIGHT_PAREN ARROW type body
      { $$ = DECLARE(ITEM_FUNCTION, @$, function, .exported = $export_opt, .name = $name,
                     .dims = $dims_opt, .params = $params_opt, .result = $type, .body = $body); } ;
export_opt: %empty { $$ = false; } | EXPORT { $$ = true; } ;
params_opt: %empty { $$ = (NodeList){0}; } | params ;
params: param_list ;
param_list:
    param { $$ = (NodeList){0}; PUSH($$, $param); }
  | param_list COMMA param { $$ = $1; PUSH($$, $param); }
;
param: name COLON type bounds init_opt
      { $$ = DECLARE(PART_PARAM, @$, param, .name = $name, .type = $type, .bounds = $bounds,
                     .initial = $init_opt); } ;
bounds: %empty { $$ = (NodeList){0}; } | bounds bound { $$ = $1; PUSH($$, $bound); } ;
bound:
    GT bound_number { $$ = NEW(PART_BOUND, @$, bound, .op = BIN_GT, .number = $2); }
  | GE bound_number { $$ = NEW(PART_BOUND, @$, bound, .op = BIN_GE, .number = $2); }
  | LT bound_number { $$ = NEW(PART_BOUND, @$, bound, .op = BIN_LT, .number = $2); }
  | LE bound_number { $$ = NEW(PART_BOUND, @$, bound, .op = BIN_LE, .number = $2); }
;
bound_number:
    INT { $$ = NEW(EXPR_INT, @$, integer, .value = $INT->integer); }
  | REAL { $$ = NEW(EXPR_REAL, @$, real, .value = $REAL->real, .text = $REAL->text); }
;
body: ASSIGN expr SEMICOLON { $$ = $expr; } | block ;

/* A block with a value.  `yield` belongs to loop bodies; elsewhere check refuses it. */
block:
    LEFT_BRACE expr yield_opt RIGHT_BRACE
      { $$ = NEW(EXPR_BLOCK, @$, block, .value = $expr, .yield = $yield_opt); }
  | LEFT_BRACE lets expr yield_opt RIGHT_BRACE
      { $$ = NEW(EXPR_BLOCK, @$, block, .lets = $lets, .value = $expr, .yield = $yield_opt); }
  | LEFT_BRACE error REND RIGHT_BRACE
      { $$ = NEW(EXPR_BLOCK, @$, block, .value = error_make(parser, @2)); yyerrok; }
  | LEFT_BRACE lets error REND RIGHT_BRACE
      { $$ = NEW(EXPR_BLOCK, @$, block, .lets = $lets, .value = error_make(parser, @3)); yyerrok; }
;
yield_opt: %empty { $$ = NULL; } | YIELD expr { $$ = $expr; } ;
lets:
    let { $$ = (NodeList){0}; PUSH($$, $let); }
  | ensure { $$ = (NodeList){0}; PUSH($$, $ensure); }
  | error RSEMI { $$ = (NodeList){0}; PUSH($$, error_make(parser, @$)); yyerrok; }
  | lets let { $$ = $1; PUSH($$, $let); }
  | lets ensure { $$ = $1; PUSH($$, $ensure); }
  | lets error RSEMI { $$ = $1; PUSH($$, error_make(parser, @2)); yyerrok; }
;
let: LET pattern type_opt ASSIGN expr SEMICOLON
      { $$ = DECLARE(NODE_LET, @$, let, .pattern = $pattern, .type = $type_opt, .value = $expr); } ;
ensure:
    ENSURE expr COMMA STRING SEMICOLON
      { $$ = NEW(NODE_ENSURE, @$, ensure, .condition = $expr, .text = $STRING->text); }
  | WARN expr COMMA STRING SEMICOLON
      { $$ = NEW(NODE_ENSURE, @$, ensure, .condition = $expr, .text = $STRING->text,
                 .warning = true); }
;
pattern:
    name { $$ = NEW(PATTERN_NAME, @$, pattern_name, .name = $name.name); }
  | LEFT_PAREN patterns RIGHT_PAREN
      { $$ = $patterns.count == 1 ? $patterns.data[0]
             : NEW(PATTERN_TUPLE, @$, pattern_tuple, .items = $patterns); }
;
patterns:
    pattern { $$ = (NodeList){0}; PUSH($$, $pattern); }
  | patterns COMMA pattern { $$ = $1; PUSH($$, $pattern); }
;
names:
    name { $$ = (IdentList){0}; PUSH($$, $name); }
  | names COMMA name { $$ = $1; PUSH($$, $name); }
;

level:
    UPPER name_opt family_opt LEFT_BRACE clauses_opt RIGHT_BRACE
      { $$ = DECLARE(ITEM_LEVEL, @$, level, .upper = true, .name = $name_opt,
                     .family = $family_opt->name, .family_of = $family_opt->value,
                     .clauses = $clauses_opt); }
  | LOWER name_opt family_opt LEFT_BRACE clauses_opt RIGHT_BRACE
      { $$ = DECLARE(ITEM_LEVEL, @$, level, .upper = false, .name = $name_opt,
                     .family = $family_opt->name, .family_of = $family_opt->value,
                     .clauses = $clauses_opt); }
;
name_opt: %empty { $$ = (Ident){0}; } | name ;
family_opt:
    %empty { $$ = part_make(parser, PART_FAMILY, @$, (Part){0}); }
  | FOR name IN expr
      { $$ = part_make(parser, PART_FAMILY, @$, (Part){.name = $name, .value = $expr}); }
;
clauses_opt: %empty { $$ = (NodeList){0}; } | clauses ;
clauses:
    clause { $$ = (NodeList){0}; PUSH($$, $clause); }
  | clauses clause { $$ = $1; PUSH($$, $clause); }
;
clause:
    VAR name COLON type in_opt init_opt SEMICOLON
      { $$ = DECLARE(NODE_VAR, @$, var, .name = $name, .type = $type, .set = $in_opt,
                     .initial = $init_opt); }
  | STATE name COLON type ASSIGN expr then_opt SEMICOLON
      { $$ = DECLARE(NODE_STATE, @$, state, .name = $name, .type = $type, .initial = $expr,
                     .then = $then_opt); }
  | BATCH name ASSIGN expr SEMICOLON
      { $$ = DECLARE(NODE_BATCH, @$, batch, .name = $name, .value = $expr); }
  | let
  | ensure
  | MINIMIZE expr SEMICOLON { $$ = NEW(NODE_OBJECTIVE, @$, objective, .value = $expr); }
  | MAXIMIZE expr SEMICOLON
      { $$ = NEW(NODE_OBJECTIVE, @$, objective, .maximize = true, .value = $expr); }
  | SUBJECT TO expr SEMICOLON { $$ = DECLARE(NODE_SUBJECT, @$, subject, .value = $expr); }
  | SUBJECT TO name COLON expr SEMICOLON
      { $$ = DECLARE(NODE_SUBJECT, @$, subject, .name = $name, .value = $expr); }
  | PROX name COLON expr SEMICOLON { $$ = NEW(NODE_PROX, @$, prox, .name = $name, .value = $expr); }
  | UPDATE name ASSIGN expr SEMICOLON
      { $$ = NEW(NODE_UPDATE, @$, update, .name = $name, .value = $expr); }
  | report
  | level
  | error RSEMI { $$ = error_make(parser, @$); yyerrok; }
  | error REND { $$ = error_make(parser, @$); yyerrok; }
;
type_opt: %empty { $$ = NULL; } | COLON type { $$ = $type; } ;
in_opt: %empty { $$ = NULL; } | IN expr { $$ = $expr; } ;
init_opt: %empty { $$ = NULL; } | ASSIGN expr { $$ = $expr; } ;
then_opt: %empty { $$ = NULL; } | THEN expr { $$ = $expr; } ;

stage:
    STAGE name LEFT_BRACE stage_items_opt RIGHT_BRACE
      { $$ = DECLARE(ITEM_STAGE, @$, stage, .name = $name, .items = $stage_items_opt); }
  | STAGE name FOR name LT expr LEFT_BRACE stage_items_opt RIGHT_BRACE
      { $$ = DECLARE(ITEM_STAGE, @$, stage, .name = $2, .family = $4, .family_of = $expr,
                     .items = $stage_items_opt); }
;
stage_items_opt: %empty { $$ = (NodeList){0}; } | stage_items ;
stage_items:
    stage_item { $$ = (NodeList){0}; PUSH($$, $stage_item); }
  | stage_items stage_item { $$ = $1; PUSH($$, $stage_item); }
;
stage_item: clause | solve | data ;

report: REPORT name ASSIGN expr SEMICOLON
      { $$ = DECLARE(NODE_REPORT, @$, report, .name = $name, .value = $expr); } ;

solve: SOLVE name_opt LEFT_BRACE settings_opt RIGHT_BRACE
      { $$ = DECLARE(ITEM_SOLVE, @$, solve, .name = $name_opt, .settings = $settings_opt); } ;
settings_opt: %empty { $$ = (NodeList){0}; } | settings ;
settings:
    setting_item { $$ = (NodeList){0}; PUSH($$, $setting_item); }
  | settings setting_item { $$ = $1; PUSH($$, $setting_item); }
;
setting_item:
    setting | report | ensure
  | error RSEMI { $$ = error_make(parser, @$); yyerrok; }
  | error REND { $$ = error_make(parser, @$); yyerrok; }
;
setting: key ASSIGN expr SEMICOLON
      { $$ = NEW(NODE_SETTING, @$, setting, .key = $key, .value = $expr); }
  | key ASSIGN element_type SEMICOLON
      { $$ = NEW(NODE_SETTING, @$, setting, .key = $key,
                 .value = NEW(TYPE_ELEMENT, @3, element_type, .element = $3)); }
;
key:
    name { $$ = (IdentList){0}; PUSH($$, $name); }
  | key DOT name { $$ = $1; PUSH($$, $name); }
;

test: TEST STRING LEFT_BRACE test_items_opt RIGHT_BRACE
      { $$ = DECLARE(ITEM_TEST, @$, test, .name = $STRING->text, .items = $test_items_opt); } ;
test_items_opt: %empty { $$ = (NodeList){0}; } | test_items ;
test_items:
    test_item { $$ = (NodeList){0}; PUSH($$, $test_item); }
  | test_items test_item { $$ = $1; PUSH($$, $test_item); }
;
test_item:
    setting | let | expect
  | error RSEMI { $$ = error_make(parser, @$); yyerrok; }
  | error REND { $$ = error_make(parser, @$); yyerrok; }
;
expect:
    EXPECT expr within_opt SEMICOLON { $$ = expect_make(parser, @$, $expr, $within_opt); }
  | EXPECT ERROR_WORD IDENTIFIER SEMICOLON
      { $$ = NEW(NODE_EXPECT_CODE, @$, expect_code, .code = token_ident($IDENTIFIER)); }
  | EXPECT WARNING IDENTIFIER SEMICOLON
      { $$ = NEW(NODE_EXPECT_CODE, @$, expect_code, .warning = true,
                 .code = token_ident($IDENTIFIER)); }
;
within_opt: %empty { $$ = NULL; } | WITHIN expr { $$ = $expr; } ;

method: export_opt METHOD name LEFT_PAREN params_opt RIGHT_PAREN LEFT_BRACE method_parts_opt
        RIGHT_BRACE
      { $$ = node_document(parser, method_make(parser, @$, $export_opt, $name, $params_opt,
                                               $method_parts_opt)); } ;
method_parts_opt: %empty { $$ = (PartList){0}; } | method_parts ;
method_parts:
    method_part { $$ = (PartList){0}; PUSH($$, $method_part); }
  | method_parts method_part { $$ = $1; PUSH($$, $method_part); }
;
method_part:
    ACCEPTS traits SEMICOLON
      { $$ = part_make(parser, PART_ACCEPTS, @ACCEPTS, (Part){.nodes = $traits}); }
  | state_variable
      { $$ = part_make(parser, PART_STATE, @$, (Part){.value = $state_variable}); }
  | STEP LEFT_BRACE steps_opt RIGHT_BRACE
      { $$ = part_make(parser, PART_STEP, @STEP, (Part){.nodes = $steps_opt}); }
  | error RSEMI
      { $$ = part_make(parser, PART_ERROR, @$, (Part){.value = error_make(parser, @$)}); yyerrok; }
  | error REND
      { $$ = part_make(parser, PART_ERROR, @$, (Part){.value = error_make(parser, @$)}); yyerrok; }
;
traits:
    trait { $$ = (NodeList){0}; PUSH($$, $trait); }
  | traits COMMA trait { $$ = $1; PUSH($$, $trait); }
;
trait:
    name { $$ = NEW(PART_TRAIT, @$, trait, .first = $name); }
  | name name { $$ = NEW(PART_TRAIT, @$, trait, .first = $1, .second = $2); }
;
state_variable: STATE name type_opt ASSIGN expr SEMICOLON
      { $$ = DECLARE(NODE_STATE, @$, state, .name = $name, .type = $type_opt, .initial = $expr); } ;
steps_opt: %empty { $$ = (NodeList){0}; } | steps ;
steps:
    step { $$ = (NodeList){0}; PUSH($$, $step); }
  | steps step { $$ = $1; PUSH($$, $step); }
;
step:
    move
  | HYPERGRADIENT expr SEMICOLON { $$ = NEW(NODE_HYPERGRADIENT, @$, hypergradient, .value = $expr); }
  | error RSEMI { $$ = error_make(parser, @$); yyerrok; }
  | error REND { $$ = error_make(parser, @$); yyerrok; }
;
move:
    let
  | SET pattern ASSIGN expr SEMICOLON
      { $$ = NEW(NODE_SET, @$, assign, .pattern = $pattern, .value = $expr); }
  | report
  | ensure
;

optimizer: export_opt OPTIMIZER name LEFT_PAREN params_opt RIGHT_PAREN LEFT_BRACE
           optimizer_parts_opt RIGHT_BRACE
      { $$ = node_document(parser, optimizer_make(parser, @$, $export_opt, $name, $params_opt,
                                                  $optimizer_parts_opt)); } ;
optimizer_parts_opt: %empty { $$ = (PartList){0}; } | optimizer_parts ;
optimizer_parts:
    optimizer_part { $$ = (PartList){0}; PUSH($$, $optimizer_part); }
  | optimizer_parts optimizer_part { $$ = $1; PUSH($$, $optimizer_part); }
;
optimizer_part:
    state_variable
      { $$ = part_make(parser, PART_STATE, @$, (Part){.value = $state_variable}); }
  | UPDATE LEFT_PAREN names RIGHT_PAREN LEFT_BRACE expr RIGHT_BRACE
      { $$ = part_make(parser, PART_UPDATE, @UPDATE, (Part){.names = $names, .value = $expr}); }
  | UPDATE LEFT_PAREN names RIGHT_PAREN LEFT_BRACE moves expr RIGHT_BRACE
      { $$ = part_make(parser, PART_UPDATE, @UPDATE,
                       (Part){.names = $names, .nodes = $moves, .value = $expr}); }
  | UPDATE LEFT_PAREN names RIGHT_PAREN LEFT_BRACE error REND RIGHT_BRACE
      { $$ = part_make(parser, PART_UPDATE, @UPDATE,
                       (Part){.names = $names, .value = error_make(parser, @6)}); yyerrok; }
  | UPDATE LEFT_PAREN names RIGHT_PAREN LEFT_BRACE moves error REND RIGHT_BRACE
      { $$ = part_make(parser, PART_UPDATE, @UPDATE,
                       (Part){.names = $names, .nodes = $moves,
                              .value = error_make(parser, @7)}); yyerrok; }
  | error RSEMI
      { $$ = part_make(parser, PART_ERROR, @$, (Part){.value = error_make(parser, @$)}); yyerrok; }
  | error REND
      { $$ = part_make(parser, PART_ERROR, @$, (Part){.value = error_make(parser, @$)}); yyerrok; }
;
moves:
    move { $$ = (NodeList){0}; PUSH($$, $move); }
  | error RSEMI { $$ = (NodeList){0}; PUSH($$, error_make(parser, @$)); yyerrok; }
  | moves move { $$ = $1; PUSH($$, $move); }
  | moves error RSEMI { $$ = $1; PUSH($$, error_make(parser, @2)); yyerrok; }
;

set:
    export_opt SET name set_params_opt LEFT_BRACE set_functions_opt RIGHT_BRACE
      { $$ = DECLARE(ITEM_SET, @$, set, .exported = $export_opt, .name = $name,
                     .params = $set_params_opt, .functions = $set_functions_opt); } ;
set_params_opt:
    %empty { $$ = (NodeList){0}; }
  | LEFT_PAREN RIGHT_PAREN { $$ = (NodeList){0}; }
  | LEFT_PAREN set_params RIGHT_PAREN { $$ = $set_params; }
;
set_params:
    set_param { $$ = (NodeList){0}; PUSH($$, $set_param); }
  | set_params COMMA set_param { $$ = $1; PUSH($$, $set_param); }
;
set_param: name type_opt init_opt
      { $$ = DECLARE(PART_PARAM, @$, param, .name = $name, .type = $type_opt,
                     .initial = $init_opt); } ;
set_functions_opt: %empty { $$ = (NodeList){0}; } | set_functions ;
set_functions:
    set_function { $$ = (NodeList){0}; PUSH($$, $set_function); }
  | set_functions set_function { $$ = $1; PUSH($$, $set_function); }
;
set_function:
    name LEFT_PAREN names RIGHT_PAREN body
      { $$ = DECLARE(PART_SET_FUNCTION, @$, set_function, .name = $name, .names = $names,
                     .body = $body); }
  | error RSEMI { $$ = error_make(parser, @$); yyerrok; }
  | error REND { $$ = error_make(parser, @$); yyerrok; }
;

shard: SHARD names SEMICOLON { $$ = DECLARE(ITEM_SHARD, @$, shard, .names = $names); } ;
rule:
    CUSTOM VJP name LEFT_PAREN names RIGHT_PAREN body
      { $$ = DECLARE(ITEM_RULE, @$, rule, .vjp = true, .name = $name, .names = $names,
                     .body = $body); }
  | CUSTOM JVP name LEFT_PAREN names RIGHT_PAREN body
      { $$ = DECLARE(ITEM_RULE, @$, rule, .vjp = false, .name = $name, .names = $names,
                     .body = $body); }
;

type:
    type_atom
  | type_atom ARROW type { $$ = NEW(TYPE_FN, @$, fn_type, .from = $type_atom, .to = $3); }
;
type_atom:
    element_type { $$ = NEW(TYPE_ELEMENT, @$, element_type, .element = $1); }
  | key { $$ = type_name_make(parser, @$, $key); }
  | element_type LEFT_BRACKET exprs RIGHT_BRACKET
      { $$ = NEW(TYPE_TENSOR, @$, tensor_type,
                 .base = NEW(TYPE_ELEMENT, @1, element_type, .element = $1), .dims = $exprs); }
  | element_type LEFT_BRACKET DOTS RIGHT_BRACKET
      { $$ = NEW(TYPE_TENSOR, @$, tensor_type,
                 .base = NEW(TYPE_ELEMENT, @1, element_type, .element = $1), .any_shape = true); }
  | key LEFT_BRACKET exprs RIGHT_BRACKET
      { $$ = NEW(TYPE_TENSOR, @$, tensor_type, .base = type_name_make(parser, @1, $key),
                 .dims = $exprs); }
  | key LEFT_BRACKET DOTS RIGHT_BRACKET
      { $$ = NEW(TYPE_TENSOR, @$, tensor_type, .base = type_name_make(parser, @1, $key),
                 .any_shape = true); }
  | LEFT_PAREN types RIGHT_PAREN
      { $$ = $types.count == 1 ? $types.data[0]
             : NEW(TYPE_TUPLE, @$, tuple_type, .items = $types); }
  | LEFT_BRACKET expr RIGHT_BRACKET type_atom
      { $$ = NEW(TYPE_ARRAY, @$, array_type, .extent = $expr, .element = $4); }
;
types:
    type { $$ = (NodeList){0}; PUSH($$, $type); }
  | types COMMA type { $$ = $1; PUSH($$, $type); }
;
element_type:
    F16 { $$ = EL_F16; } | BF16 { $$ = EL_BF16; } | F32 { $$ = EL_F32; } | F64 { $$ = EL_F64; }
  | I32 { $$ = EL_I32; } | I64 { $$ = EL_I64; } | U8 { $$ = EL_U8; } | BOOL { $$ = EL_BOOL; }
;

expr:
    postfix
  | expr OR expr { $$ = BINARY(BIN_OR, @$, $1, $3, @2); }
  | expr AND expr { $$ = BINARY(BIN_AND, @$, $1, $3, @2); }
  | expr LT expr { $$ = BINARY(BIN_LT, @$, $1, $3, @2); }
  | expr GT expr { $$ = BINARY(BIN_GT, @$, $1, $3, @2); }
  | expr LE expr { $$ = BINARY(BIN_LE, @$, $1, $3, @2); }
  | expr GE expr { $$ = BINARY(BIN_GE, @$, $1, $3, @2); }
  | expr EQ expr { $$ = BINARY(BIN_EQ, @$, $1, $3, @2); }
  | expr NE expr { $$ = BINARY(BIN_NE, @$, $1, $3, @2); }
  | expr APPROX expr { $$ = BINARY(BIN_APPROX, @$, $1, $3, @2); }
  | expr PLUS expr { $$ = BINARY(BIN_ADD, @$, $1, $3, @2); }
  | expr MINUS expr { $$ = BINARY(BIN_SUB, @$, $1, $3, @2); }
  | expr STAR expr { $$ = BINARY(BIN_MUL, @$, $1, $3, @2); }
  | expr SLASH expr { $$ = BINARY(BIN_DIV, @$, $1, $3, @2); }
  | expr AT expr { $$ = BINARY(BIN_MATMUL, @$, $1, $3, @2); }
  | expr POWER expr { $$ = BINARY(BIN_POW, @$, $1, $3, @2); }
  | MINUS expr %prec NEGATION { $$ = NEW(EXPR_NEGATE, @$, unary, .operand = $2); }
  | NOT expr { $$ = NEW(EXPR_NOT, @$, unary, .operand = $2); }
  | IF expr THEN expr ELSE expr
      { $$ = NEW(EXPR_IF, @$, conditional, .condition = $2, .yes = $4, .no = $6); }
  | FN pattern ARROW expr { $$ = NEW(EXPR_FN, @$, fn, .pattern = $pattern, .body = $4); }
;
postfix:
    atom
  | postfix DOT name { $$ = NEW(EXPR_MEMBER, @$, member, .base = $1, .member = $name); }
  | postfix LEFT_BRACKET indices RIGHT_BRACKET
      { $$ = NEW(EXPR_INDEX, @$, index, .base = $1, .indices = $indices); }
  | postfix LEFT_PAREN arguments_opt RIGHT_PAREN
      { $$ = NEW(EXPR_CALL, @$, call, .callee = $1, .arguments = $arguments_opt); }
;
indices:
    index { $$ = (NodeList){0}; PUSH($$, $index); }
  | indices COMMA index { $$ = $1; PUSH($$, $index); }
;
index:
    expr
  | COLON { $$ = NEW(EXPR_SLICE, @$, slice, .low = NULL); }
  | expr COLON { $$ = NEW(EXPR_SLICE, @$, slice, .low = $1); }
  | COLON expr { $$ = NEW(EXPR_SLICE, @$, slice, .high = $2); }
  | expr COLON expr { $$ = NEW(EXPR_SLICE, @$, slice, .low = $1, .high = $3); }
;
arguments_opt: %empty { $$ = (NodeList){0}; } | arguments ;
arguments:
    argument { $$ = (NodeList){0}; PUSH($$, $argument); }
  | arguments COMMA argument { $$ = $1; PUSH($$, $argument); }
;
argument:
    expr { $$ = NEW(PART_ARGUMENT, @$, argument, .value = $expr); }
  | name ASSIGN expr { $$ = NEW(PART_ARGUMENT, @$, argument, .name = $name, .value = $expr); }
;
atom:
    name { $$ = NEW(EXPR_NAME, @$, name, .name = $name.name); }
  | INT { $$ = NEW(EXPR_INT, @$, integer, .value = $INT->integer); }
  | REAL { $$ = NEW(EXPR_REAL, @$, real, .value = $REAL->real, .text = $REAL->text); }
  | STRING { $$ = NEW(EXPR_STRING, @$, string, .text = $STRING->text, .length = $STRING->text_length); }
  | TRUE { $$ = NEW(EXPR_BOOL, @$, boolean, .value = true); }
  | FALSE { $$ = NEW(EXPR_BOOL, @$, boolean, .value = false); }
  | LEFT_PAREN exprs RIGHT_PAREN { $$ = tuple_make(parser, @$, $exprs); }
  | LEFT_BRACKET exprs RIGHT_BRACKET { $$ = NEW(EXPR_LIST, @$, list, .items = $exprs); }
  | element_type LEFT_PAREN expr RIGHT_PAREN
      { $$ = NEW(EXPR_CAST, @$, cast, .element = $1, .operand = $expr); }
  | FOR binders block
      { $$ = NEW(EXPR_FOR, @$, comprehension, .binders = $binders, .body = $block); }
  | LOOP pattern ASSIGN expr FOR name LT expr while_opt block
      { $$ = NEW(EXPR_LOOP, @$, loop, .pattern = $pattern, .initial = $4, .counter = $name,
                 .bound = $8, .condition = $while_opt, .body = $block); }
  | block
;
while_opt: %empty { $$ = NULL; } | WHILE expr { $$ = $expr; } ;
exprs:
    expr { $$ = (NodeList){0}; PUSH($$, $expr); }
  | exprs COMMA expr { $$ = $1; PUSH($$, $expr); }
;
binders:
    binder { $$ = (NodeList){0}; PUSH($$, $binder); }
  | binders COMMA binder { $$ = $1; PUSH($$, $binder); }
;
binder:
    name { $$ = NEW(PART_BINDER, @$, binder, .name = $name); }
  | name LT expr { $$ = NEW(PART_BINDER, @$, binder, .name = $name, .extent = $expr); }
;

/* A contextual word is a name wherever its statement cannot stand. */
name:
    IDENTIFIER { $$ = token_ident($1); }
  | BLO { $$ = token_ident($1); }
  | IMPORT { $$ = token_ident($1); }
  | AS { $$ = token_ident($1); }
  | DIM { $$ = token_ident($1); }
  | CONST { $$ = token_ident($1); }
  | STRUCT { $$ = token_ident($1); }
  | EXPORT { $$ = token_ident($1); }
  | DATA { $$ = token_ident($1); }
  | UPPER { $$ = token_ident($1); }
  | LOWER { $$ = token_ident($1); }
  | VAR { $$ = token_ident($1); }
  | STATE { $$ = token_ident($1); }
  | BATCH { $$ = token_ident($1); }
  | MINIMIZE { $$ = token_ident($1); }
  | MAXIMIZE { $$ = token_ident($1); }
  | SUBJECT { $$ = token_ident($1); }
  | TO { $$ = token_ident($1); }
  | PROX { $$ = token_ident($1); }
  | UPDATE { $$ = token_ident($1); }
  | REPORT { $$ = token_ident($1); }
  | SOLVE { $$ = token_ident($1); }
  | STAGE { $$ = token_ident($1); }
  | TEST { $$ = token_ident($1); }
  | EXPECT { $$ = token_ident($1); }
  | ERROR_WORD { $$ = token_ident($1); }
  | WARNING { $$ = token_ident($1); }
  | WITHIN { $$ = token_ident($1); }
  | METHOD { $$ = token_ident($1); }
  | ACCEPTS { $$ = token_ident($1); }
  | STEP { $$ = token_ident($1); }
  | OPTIMIZER { $$ = token_ident($1); }
  | HYPERGRADIENT { $$ = token_ident($1); }
  | YIELD { $$ = token_ident($1); }
  | ENSURE %prec STATEMENT_WORD { $$ = token_ident($1); }
  | WARN %prec STATEMENT_WORD { $$ = token_ident($1); }
  | SHARD { $$ = token_ident($1); }
  | CUSTOM { $$ = token_ident($1); }
  | VJP { $$ = token_ident($1); }
  | JVP { $$ = token_ident($1); }
;

%%

static int token_of_symbol(yysymbol_kind_t symbol) {
  for (int token = T_RSEMI; token <= T_RIGHT_BRACE; token++)
    if (YYTRANSLATE(token) == symbol) return token;
  return T_YYEOF;
}

const char *token_kind_name(int kind) {
  return yysymbol_name(YYTRANSLATE(kind));
}

static int yyreport_syntax_error(const yypcontext_t *context, Parser *parser) {
  yysymbol_kind_t symbols[YYNTOKENS];
  int kinds[YYNTOKENS];
  int count = yypcontext_expected_tokens(context, symbols, YYNTOKENS);
  for (int i = 0; i < count; i++) kinds[i] = token_of_symbol(symbols[i]);
  stream_mistake(parser, &(Expected){kinds, count});
  return 0;
}

/* Bison calls this when its stack is full. */
static void yyerror(const Span *place, Parser *parser, const char *message) {
  (void)message;
  if (!parser->too_deep)
    report(parser->compilation->diagnostics, E0106, *place, "this is nested too deeply");
  parser->too_deep = true;
}
