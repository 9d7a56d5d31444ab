(* The library's text (Algorithm.v) on binary64, and the comparison of bits. *)
Require Import List Bool ZArith Floats Uint63.
From bnorm Require Import Algorithm.
Import ListNotations.
Local Open Scope Z_scope.

(* a b + c rounded twice, and rounded once: exact in integers, then to nearest even. *)
Definition unfused (a b c : float) : float := (a * b + c)%float.
Definition signed (negative : bool) (m : Z) : Z := if negative then Z.opp m else m.
Definition fused (a b c : float) : float :=
  match Prim2SF a, Prim2SF b, Prim2SF c with
  | S754_finite sa ma ea, S754_finite sb mb eb, S754_finite sc mc ec =>
      let e := Z.min (ea + eb) ec in
      let product := signed (xorb sa sb) (Z.shiftl (Zpos (ma * mb)) (ea + eb - e)) in
      let summand := signed sc (Z.shiftl (Zpos mc) (ec - e)) in
      SF2Prim (binary_normalize prec emax (product + summand) e false)
  | S754_finite _ _ _, S754_finite _ _ _, S754_zero _ => (a * b)%float
  | _, _, _ => (a * b + c)%float
  end.

Definition binary64 (madd : float -> float -> float -> float) : number :=
  mknumber float 0%float 1%float 0.5%float 16%float PrimFloat.add PrimFloat.sub PrimFloat.mul
    PrimFloat.div PrimFloat.sqrt madd PrimFloat.ltb PrimFloat.eqb
    (fun n => PrimFloat.of_uint63 (Uint63.of_Z (Z.of_nat n))).

(* Equal numbers with equal signs; any not-a-number is the same as any other. *)
Definition same_bits (a b : float) : bool :=
  if is_nan a then is_nan b else PrimFloat.eqb a b && eqb (get_sign a) (get_sign b).

(* One column as the library was given it, and what it returned. *)
Record case := mkcase {
  x : list float; w : list float; omega : option (list float);
  gamma : float; beta : float; eps : float; ddof : float;
  mean : float; rstd : float; y : list float;
  dbeta : float; dgamma : float; dx : list float }.

Definition entry (l : list float) (i : nat) : float := nth i l nan.
Definition same_list (k : nat) (f : nat -> float) (l : list float) : bool :=
  Nat.eqb (length l) k && forallb (fun i => same_bits (f i) (entry l i)) (seq 0 k).

Definition agrees (madd : float -> float -> float -> float) (c : case) : bool :=
  let k := length (x c) in
  let col := mkcolumn (T := binary64 madd) k (option_map entry (omega c)) (eps c) (ddof c) in
  let '(m, r, y') := forward col (gamma c) (beta c) (entry (x c)) in
  let '(db, dg, dx') := backward col (gamma c) m r (entry (x c)) (entry (w c)) in
  same_bits m (mean c) && same_bits r (rstd c) && same_list k y' (y c)
  && same_bits db (dbeta c) && same_bits dg (dgamma c) && same_list k dx' (dx c).

(* Two batches, and their merge, which has no madd. *)
Definition triple := (float * float * float)%type.
Definition merges (abc : triple * triple * triple) : bool :=
  let '(a, b, c) := abc in
  let '(n, m, m2) := merge (T := binary64 unfused) a b in
  let '(n', m', m2') := c in same_bits n n' && same_bits m m' && same_bits m2 m2'.
