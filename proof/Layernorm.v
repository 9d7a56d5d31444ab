(* Layer normalisation: a row x of p numbers is normalised over itself, with divisor p, and each
   entry has its own gamma and beta. Its backward pass is (B3) with gamma 1 for u = gamma w. *)
Require Import Reals Lra Lia List.
From bnorm Require Import Definitions Sums Frechet Column Backward.
Import ListNotations.
Open Scope R_scope.

Lemma row_in p j : (j < p)%nat -> In (cZ j 0) (row_coords p) /\ In (cgamma j) (row_coords p)
  /\ In (cbeta j) (row_coords p).
Proof.
  intros Hj. repeat split; apply in_flat_map; exists j; (split; [apply in_seq; lia|]); simpl; tauto.
Qed.

Theorem layernorm_frechet p eps loss w q : (0 < p)%nat ->
  let s := unweighted p 0 eps in let x := Zcol q 0 in regular s x ->
  frechet (seq 0 p) loss (layernorm s q) (fun h => ∑ j < p, w j * h j) ->
  frechet (row_coords p) (fun q => loss (layernorm s q)) q (fun h => ∑ j < p,
    (dz s 1 x (fun j => q (cgamma j) * w j) j * h (cZ j 0)
     + w j * zhat s x j * h (cgamma j) + w j * h (cbeta j))).
Proof.
  intros Hp s x Hx Hloss. pose proof (not_0_INR p ltac:(lia)) as Hp0.
  assert (Hs : legal s) by (apply unweighted_legal; [exact Hp|lra]).
  set (t (h : point) := tangent s 1 x (fun j => h (cZ j 0)) 0 0).
  assert (Hz : forall j, (j < p)%nat -> frechet (row_coords p) (fun q => zhat s (Zcol q 0) j) q
      (fun h => t h j)).
  { intros j Hj. apply (frechet_ext _ (fun q => bn s 1 0 (Zcol q 0) j));
      [intros; unfold bn; ring|].
    apply (frechet_bn s Hs _ (fun q => Zcol q 0) q (fun j h => h (cZ j 0)));
      [|exact Hx|exact Hj|apply frechet_const|apply frechet_const].
    intros i Hi. apply (frechet_coord (cZ i 0)). now apply row_in. }
  eapply frechet_eq.
  - apply (frechet_chain loss (layernorm s) q _ (fun j h =>
      h (cgamma j) * zhat s x j + q (cgamma j) * t h j + h (cbeta j)) Hloss).
    intros j Hj. apply in_seq in Hj. destruct (row_in p j ltac:(lia)) as [_ [Lg Lb]].
    apply frechet_plus; [|now apply (frechet_coord (cbeta j))].
    apply (frechet_mult (fun q => q (cgamma j)) (fun q => zhat s (Zcol q 0) j) q
             (fun h => h (cgamma j)) (fun h => t h j)); [now apply frechet_coord|apply Hz; lia].
  - intros h. cbv beta.
    rewrite (rsum_ext p _ (fun j => q (cgamma j) * w j * t h j
      + w j * zhat s x j * h (cgamma j) + w j * h (cbeta j))) by (intros; ring).
    rewrite !rsum_plus. f_equal. f_equal. unfold t.
    change p with (Definitions.N s). rewrite adjoint by assumption. simpl. ring.
Qed.
